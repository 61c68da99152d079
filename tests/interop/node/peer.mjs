// A Node process with BullMQ that tests drive over a pipe: a request a line, a reply a line, events as they come.
// node peer.mjs 5|6 /path/to/redis.sock
import readline from 'node:readline';

const [version, path] = process.argv.slice(2);
const { Queue, Worker, QueueEvents, FlowProducer, Job, UnrecoverableError } = await import(version === '5' ? 'bullmq5' : 'bullmq');
const connection = { path, maxRetriesPerRequest: null };

const queues = new Map();
const workers = new Map();
const listeners = new Map();
const held = new Map();
const hands = new Map();
const taken = new Map();
const sites = [];
const RealDate = Date;
let now = null;
// What time it is here can be set, so that it is the same as elsewhere.
class SetDate extends RealDate {
  constructor(...given) { super(...(given.length ? given : [now])); }
  static now() { return now; }
}
let flows;

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const queueOf = (name) => {
  if (!queues.has(name)) queues.set(name, new Queue(name, { connection }));
  return queues.get(name);
};
const jobOf = async (queue, id) => {
  const job = await queueOf(queue).getJob(id);
  if (!job) throw new Error(`no job ${id}`);
  return job;
};
// A handle of a job that may be gone, so that what is asked of it is answered by Redis.
const handleOf = async (queue, id) => await queueOf(queue).getJob(id) ?? new Job(queueOf(queue), 'gone', {}, {}, id);
// A worker without a processor, to take jobs by hand.
const handOf = async (queue, options = {}) => {
  const key = `${queue} ${JSON.stringify(options)}`;
  if (!hands.has(key)) {
    const worker = new Worker(queue, null, { connection, lockDuration: 600000, stalledInterval: 600000, ...options });
    worker.on('error', () => {});
    workers.set(queue, [...(workers.get(queue) ?? []), worker]);
    await worker.waitUntilReady();
    hands.set(key, worker);
  }
  return hands.get(key);
};
const plain = async (job) => ({ ...job.toJSON(), state: await job.getState() });

// What a worker here does with a job, by name.
const behaviours = {
  echo: async (job) => job.data,
  fail: async (job) => { throw new Error(job.data.message ?? 'boom'); },
  failFirst: async (job) => {
    if (job.attemptsMade < job.data.failures) throw new Error(`failure ${job.attemptsMade + 1}`);
    return 'done';
  },
  unrecoverable: async () => { throw new UnrecoverableError('no way'); },
  sleep: async (job) => { await new Promise((end) => setTimeout(end, job.data.ms)); return 'slept'; },
  progress: async (job) => { await job.updateProgress({ half: true }); await job.log('a line'); return 'told'; },
  count: async (job) => ({ node: job.id }),
  // Runs until it is told to end: how, says `release`.
  hold: (job) => new Promise((end, fail) => held.set(job.id, { end, fail })),
  byName: (job) => behaviours[job.name](job),
};

// Version 5's close() sometimes waits for ever for its blocked connection: then by force.
const closed = async (worker, patience) => {
  const late = new Promise((end) => setTimeout(end, patience, 'late').unref());
  if (await Promise.race([worker.close(), late]) === 'late') await worker.close(true);
};

const ops = {
  ping: async () => 'pong',
  // What time it is here from now on; null: what it is.
  clock: async (given) => {
    now = given.now;
    globalThis.Date = now === null ? RealDate : SetDate;
  },
  add: async ({ queue, name, data, opts }) => (await queueOf(queue).add(name, data, opts)).id,
  addBulk: async ({ queue, jobs }) => (await queueOf(queue).addBulk(jobs)).map((job) => job.id),
  flow: async ({ tree }) => {
    flows ??= new FlowProducer({ connection });
    return (await flows.add(tree)).job.id;
  },
  worker: async ({ queue, behaviour, options }) => {
    const worker = new Worker(queue, behaviours[behaviour], { connection, ...options });
    worker.on('error', () => {});
    workers.set(queue, [...(workers.get(queue) ?? []), worker]);
    await worker.waitUntilReady();
  },
  closeWorkers: async ({ queue, force }) => {
    for (const worker of workers.get(queue) ?? []) await (force ? worker.close(true) : closed(worker, 5000));
    workers.delete(queue);
  },
  listen: async ({ queue }) => {
    // From the first event on: 'ready' comes before the read that '$' is counted from.
    const events = new QueueEvents(queue, { connection, lastEventId: '0-0' });
    listeners.set(queue, events);
    const kinds = ['added', 'waiting', 'delayed', 'active', 'progress', 'completed', 'failed', 'retries-exhausted',
      'stalled', 'drained', 'duplicated', 'removed'];
    for (const kind of kinds) events.on(kind, (fields) => say({ event: kind, queue, fields }));
    await events.waitUntilReady();
  },
  holding: async () => [...held.keys()],
  release: async ({ id, error }) => {
    const { end, fail } = held.get(id);
    held.delete(id);
    if (error) fail(new Error(error));
    else end('released');
  },
  waitUntilFinished: async ({ queue, id, ttl }) => {
    const job = await jobOf(queue, id);
    return job.waitUntilFinished(listeners.get(queue), ttl);
  },
  job: async ({ queue, id }) => plain(await jobOf(queue, id)),
  call: async ({ queue, method, args }) => queueOf(queue)[method](...(args ?? [])),
  jobCall: async ({ queue, id, method, args }) => (await jobOf(queue, id))[method](...(args ?? [])),
  jobs: async ({ queue, states }) => Promise.all((await queueOf(queue).getJobs(states)).map(plain)),
  board: async ({ names }) => {
    const { createBullBoard } = await import('@bull-board/api');
    const { BullMQAdapter } = await import('@bull-board/api/bullMQAdapter');
    const { ExpressAdapter } = await import('@bull-board/express');
    const { default: express } = await import('express');
    const server = new ExpressAdapter();
    createBullBoard({ queues: names.map((name) => new BullMQAdapter(queueOf(name))), serverAdapter: server });
    const app = express();
    app.use('/', server.getRouter());
    return new Promise((up) => { const web = app.listen(0, '127.0.0.1', () => up(web.address().port)); sites.push(web); });
  },
  onJob: async ({ queue, id, method, args }) => (await handleOf(queue, id))[method](...(args ?? [])),
  take: async ({ queue, token, options }) => {
    const worker = await handOf(queue, options);
    const job = await worker.getNextJob(token, { block: false });
    if (!job) {
      // It may remember a rate limit, which the next one would have to find by itself.
      for (const [key, one] of hands) if (one === worker) hands.delete(key);
      return null;
    }
    taken.set(`${queue}:${job.id}`, job);
    return job.id;
  },
  // What becomes of a job that was taken; of one that was not, if it says so itself.
  settle: async ({ queue, id, method, args, error, unrecoverable }) => {
    const job = taken.get(`${queue}:${id}`) ?? await handleOf(queue, id);
    const thrown = error === undefined ? [] : [new (unrecoverable ? UnrecoverableError : Error)(error)];
    try {
      return await job[method](...thrown, ...(args ?? []));
    } catch (refused) {
      taken.delete(`${queue}:${id}`); // it has noted a failure that did not come to be
      throw refused;
    }
  },
  page: async ({ queue, args }) => (await queueOf(queue).getJobs(...args)).map((job) => job.id),
  seen: async ({ queue, id }) => (await queueOf(queue).getJob(id))?.toJSON() ?? null,
  checkStalled: async ({ queue, options }) => (await handOf(queue, options)).moveStalledJobsToWait(),
  forget: async ({ queue }) => {
    await queueOf(queue).waitUntilReady();
    await ops.closeWorkers({ queue });
    for (const key of hands.keys()) if (key.startsWith(`${queue} `)) hands.delete(key);
    for (const key of taken.keys()) if (key.startsWith(`${queue}:`)) taken.delete(key);
  },
  // Between two tests: as if nothing had been made.
  reset: async () => {
    globalThis.Date = RealDate;
    for (const { fail } of held.values()) fail(new Error('the test is over'));
    held.clear();
    for (const site of sites.splice(0)) { site.closeAllConnections(); site.close(); }
    await Promise.all([...workers.values()].flat().map((worker) => closed(worker, 1000)));
    await Promise.all([...listeners.values(), ...queues.values(), ...(flows ? [flows] : [])].map((one) => one.close()));
    for (const map of [workers, listeners, queues, hands, taken]) map.clear();
    flows = undefined;
  },
};

process.on('unhandledRejection', (error) => console.error('unhandled', error));
say({ ready: true });
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  // Not awaited: a request may wait for what a later one does.
  Promise.resolve()
    .then(() => ops[request.op](request))
    .then((result) => say({ reply: request.request, result: result ?? null }))
    .catch(({ message, code, name }) => say({ reply: request.request, error: { message, code: code ?? null, name } }));
}
process.exit(0);
