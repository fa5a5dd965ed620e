import { type FormEvent, StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import type { LanguageModel } from 'vitrail';
import { messageText, useChat, useModel } from 'vitrail/react';
import { Portrait } from './portrait.tsx';

/** `?model=` of the address, else the embedded model. */
const parameters = new URLSearchParams(location.search);
const source = parameters.get('model') ?? undefined;
/** `?avatar=` shows an avatar in place of the chat. */
const avatar = parameters.get('avatar');

function App() {
  const { status, progress, model, error } = useModel(source);
  if (error) {
    return (
      <div role="alert">
        <p>{error.message}</p>
        <p>{error.fix}</p>
      </div>
    );
  }
  if (!model) {
    return (
      <p>
        <label htmlFor="load">Loading the model</label>{' '}
        <progress id="load" value={progress?.loadedBytes} max={progress?.totalBytes || 1} />
      </p>
    );
  }
  return <Conversation key={status} model={model} />;
}

function Conversation({ model }: { model: LanguageModel }) {
  const { messages, status, error, sendMessage, stop, regenerate } = useChat({ model });
  const [text, setText] = useState('');
  const running = status === 'submitted' || status === 'streaming';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim() || running) return;
    void sendMessage({ text });
    setText('');
  };
  return (
    <>
      <p className="muted">{model.info.name} is ready.</p>
      <ol aria-label="Conversation" aria-live="polite" aria-busy={running}>
        {messages.map((message) => (
          <li key={message.id} className={message.role}>
            {messageText(message)}
          </li>
        ))}
      </ol>
      {error && (
        <p role="alert">
          {error.message} {error.fix}
        </p>
      )}
      <form onSubmit={submit}>
        <label htmlFor="message">Message</label>
        <input id="message" value={text} onChange={(event) => setText(event.target.value)} />
        {running ? (
          <button type="button" onClick={() => void stop()}>
            Stop
          </button>
        ) : (
          <button type="submit">Send</button>
        )}
        <button
          type="button"
          disabled={running || messages.length === 0}
          onClick={() => void regenerate()}
        >
          Regenerate
        </button>
      </form>
    </>
  );
}

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <h1>Vitrail in React</h1>
      {avatar ? <Portrait src={avatar} /> : <App />}
    </StrictMode>,
  );
}
