/** Starts a sweep and watches it in a process of its own: the submission comes from the parent, events go to it. */
import { QueueBackend } from '../../../../kernel/lib/sweep/queue/backend.js';

process.once('message', async ({ url, submission }) => {
  const backend = await QueueBackend.connect(url, { engine: 'test' });
  const { sweep, points } = submission;
  const ended = new Set();
  const finished = new AbortController();
  const take = (event) => {
    process.send(event);
    if (event.type === 'record') ended.add(event.record.id);
    if (ended.size === points.length) finished.abort();
  };
  const watching = (async () => {
    for await (const event of backend.events(sweep, finished.signal)) take(event);
  })();
  await backend.submit(submission);
  for await (const record of backend.records(sweep)) take({ type: 'record', record });
  process.send({ type: 'open', resumed: ended.size });
  await watching;
  const records = [];
  for await (const record of backend.records(sweep)) records.push(record);
  process.send({ type: 'done', records }, () => process.exit(0));
});
