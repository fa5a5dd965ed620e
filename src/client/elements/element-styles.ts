/**
 * Styles of the elements. Colours and sizes are variables, so that a page can set them on the element itself; they are
 * in a constructed sheet, which a strict `style-src` allows.
 */
export const chatStyles: string = `
:host {
  --vitrail-accent: light-dark(#2b4fd8, #9db2ff);
  --vitrail-on-accent: light-dark(#ffffff, #10131f);
  --vitrail-surface: light-dark(#ffffff, #14161d);
  --vitrail-surface-2: light-dark(#f2f3f7, #20232d);
  --vitrail-text: light-dark(#181a20, #eceef4);
  --vitrail-muted: light-dark(#5b6070, #a2a8b8);
  --vitrail-line: light-dark(#d9dce5, #333846);
  --vitrail-error: light-dark(#a8231c, #ff9d94);
  --vitrail-radius: 14px;
  --vitrail-font: ui-sans-serif, system-ui, sans-serif;
  color-scheme: light dark;
  display: block;
  block-size: 32rem;
  font: 400 1rem/1.55 var(--vitrail-font);
  color: var(--vitrail-text);
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.root {
  display: flex;
  flex-direction: column;
  block-size: 100%;
  overflow: hidden;
  background: var(--vitrail-surface);
  border: 1px solid var(--vitrail-line);
  border-radius: var(--vitrail-radius);
}
.messages {
  flex: 1;
  margin: 0;
  padding: 1rem;
  overflow-y: auto;
  list-style-type: "";
  display: flex;
  flex-direction: column;
  gap: .75rem;
}
.message { max-inline-size: 85%; white-space: pre-wrap; overflow-wrap: anywhere; }
.user {
  align-self: flex-end;
  padding: .5rem .85rem;
  border-radius: calc(var(--vitrail-radius) - 2px);
  border-end-end-radius: 4px;
  background: var(--vitrail-accent);
  color: var(--vitrail-on-accent);
}
.setup { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem; padding: .75rem 1rem; border-block-start: 1px solid var(--vitrail-line); }
.setup .note { flex: 1; min-inline-size: 10rem; margin: 0; color: var(--vitrail-muted); font-size: .875rem; font-variant-numeric: tabular-nums; }
progress { flex-basis: 100%; inline-size: 100%; block-size: 6px; accent-color: var(--vitrail-accent); }
.error { padding: .75rem 1rem; border-block-start: 1px solid var(--vitrail-line); font-size: .9rem; }
.error p { margin: 0 0 .5rem; }
.error .what { color: var(--vitrail-error); font-weight: 600; }
.form { display: flex; align-items: flex-end; gap: .5rem; padding: .75rem; border-block-start: 1px solid var(--vitrail-line); }
textarea {
  flex: 1;
  min-block-size: 2.6rem;
  max-block-size: 9rem;
  padding: .5rem .75rem;
  resize: none;
  field-sizing: content;
  font: inherit;
  color: inherit;
  background: var(--vitrail-surface-2);
  border: 1px solid transparent;
  border-radius: calc(var(--vitrail-radius) - 4px);
}
textarea::placeholder { color: var(--vitrail-muted); }
button {
  min-block-size: 2.6rem;
  padding: 0 1rem;
  font: inherit;
  font-weight: 600;
  color: var(--vitrail-on-accent);
  background: var(--vitrail-accent);
  border: 1px solid transparent;
  border-radius: calc(var(--vitrail-radius) - 4px);
  cursor: pointer;
}
button.quiet { color: inherit; background: transparent; border-color: var(--vitrail-line); }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 2px solid var(--vitrail-accent); outline-offset: 2px; }
.spoken { position: absolute; inline-size: 1px; block-size: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.pending::after { content: "…"; animation: breathe 1.2s ease-in-out infinite; }
@keyframes breathe { 50% { opacity: .25; } }
@media (prefers-reduced-motion: reduce) { .pending::after { animation: none; } }
`;
