const show = (id, text) => {
  document.getElementById(id).textContent = text;
};

const showError = (error) => show('status', `${error.message} ${error.fix ?? ''}`);

async function main() {
  const parameters = new URLSearchParams(location.search);
  // `?worker=inlined` shows the error that a page gets which forgets the workerUrl.
  const workerUrl = parameters.get('worker') === 'inlined' ? undefined : 'vitrail.worker.js';
  const runtime = await vitrail.createRuntime({ workerUrl });
  const model = await runtime.loadModel(parameters.get('model') ?? undefined);
  show('status', `${model.info.name} is ready.`);
  document.getElementById('send').disabled = false;

  document.getElementById('form').addEventListener('submit', (event) => {
    event.preventDefault();
    ask(model, document.getElementById('message').value).catch(showError);
  });
}

async function ask(model, content) {
  show('status', 'Answering …');
  let answer = '';
  for await (const { text } of model.chat([{ role: 'user', content }], { maxTokens: 200 })) {
    answer += text;
    show('answer', answer);
  }
  show('status', 'Done.');
}

main().catch(showError);
