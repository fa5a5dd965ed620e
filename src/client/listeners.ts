/** Listeners of a handle, by their event. */
export class Listeners<Events extends { [name: string]: (value: never) => void }> {
  readonly #entries = new Set<{ event: keyof Events; listener: (value: never) => void }>();

  /** Returns a function that removes the listener. */
  add<Name extends keyof Events>(event: Name, listener: Events[Name]): () => void {
    const entry = { event, listener };
    this.#entries.add(entry);
    return () => this.#entries.delete(entry);
  }

  fire<Name extends keyof Events>(event: Name, value: Parameters<Events[Name]>[0]): void {
    for (const entry of this.#entries) if (entry.event === event) entry.listener(value as never);
  }
}
