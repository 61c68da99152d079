// The measures of measures.py with BullMQ for Node, told what to do as child.py is: node node_bench.mjs FOLDER PACKAGE
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const [folder, name] = process.argv.slice(2);
const { FlowProducer, Queue, Worker } = createRequire(path.join(folder, 'here.js'))(name);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const nextLine = async () => (await lines.next()).value;
const task = JSON.parse(await nextLine());
const connection = connectionOf(new URL(task.url));

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');
const pause = (ms) => new Promise((end) => setTimeout(end, ms));

const watch = {
  async start() {
    say({ ready: true });
    await nextLine();
    this.cpu = process.cpuUsage();
    this.begin = performance.now();
  },
  stop(waits = []) {
    const seconds = (performance.now() - this.begin) / 1000;
    const { user, system } = process.cpuUsage(this.cpu);
    say({ seconds, client_cpu_s: (user + system) / 1e6, waits_ms: waits });
  },
};

const measures = {
  add_one: (queue) => add(queue, async (count) => {
    for (let i = 0; i < count; i++) await queue.add('bench', task.payload);
  }),

  add_at_once: (queue) => add(queue, async (count) => {
    for (let done = 0; done < count; done += task.at_once) {
      await Promise.all(Array.from({ length: task.at_once }, () => queue.add('bench', task.payload)));
    }
  }),

  add_bulk: (queue) => add(queue, (count) => fill(queue, count)),

  add_flow: (queue) => addFlows(queue, 1),

  add_flows_at_once: (queue) => addFlows(queue, task.at_once),

  async process(queue) {
    await fill(queue, task.warm_up);
    await workOff(queue, task.warm_up);
    await fill(queue, task.jobs);
    await workOff(queue, task.jobs, watch);
  },

  async latency(queue) {
    let started;
    const worker = working(async () => started(performance.now()));
    const wait = async () => {
      await pause(task.idle_ms);
      const start = new Promise((resolve) => { started = resolve; });
      const added = performance.now();
      await queue.add('bench', task.payload);
      return (await start) - added;
    };
    for (let i = 0; i < task.warm_up; i++) await wait();
    await watch.start();
    const waits = [];
    for (let i = 0; i < task.jobs; i++) waits.push(await wait());
    watch.stop(waits);
    await worker.close();
  },
};

async function add(queue, addJobs) {
  await addJobs(task.warm_up);
  await watch.start();
  await addJobs(task.jobs);
  watch.stop();
}

async function addFlows(queue, atOnce) {
  const flows = new FlowProducer({ connection });
  const node = () => ({ name: 'bench', queueName: task.queue, data: task.payload });
  const children = Array.from({ length: task.children }, node);
  await add(queue, async (count) => {
    for (let done = 0; done < count; done += atOnce * (task.children + 1)) {
      await Promise.all(Array.from({ length: atOnce }, () => flows.add({ ...node(), children })));
    }
  });
  await flows.close();
}

async function fill(queue, count) {
  for (let done = 0; done < count; done += task.bulk) {
    const length = Math.min(task.bulk, count - done);
    await queue.addBulk(Array.from({ length }, () => ({ name: 'bench', data: task.payload })));
  }
}

async function workOff(queue, count, watch) {
  let missing = count;
  let tell;
  const lastStarted = new Promise((resolve) => { tell = resolve; });
  await watch?.start();
  const worker = working(async () => {
    missing -= 1;
    if (missing === 0) tell();
  });
  if (count) await lastStarted;
  for (;;) {
    const { wait, active } = await queue.getJobCounts('wait', 'active');
    if (!wait && !active) break;
    await pause(1);
  }
  watch?.stop();
  await worker.close();
  const { completed, failed } = await queue.getJobCounts('completed', 'failed');
  if (completed !== Math.min(count, task.kept) || failed) {
    throw new Error(`${count} jobs were to be completed, ${task.kept} of them kept: ${completed}, failed: ${failed}`);
  }
}

function working(processor) {
  const options = { connection, concurrency: task.concurrency, removeOnComplete: { count: task.kept } };
  const worker = new Worker(task.queue, processor, options);
  worker.on('error', (error) => console.error(String(error)));
  return worker;
}

// A URL as redis-py understands it, as options of ioredis.
function connectionOf(url) {
  const options = { maxRetriesPerRequest: null };
  const query = url.searchParams;
  if (url.username) options.username = decodeURIComponent(url.username);
  if (url.password) options.password = decodeURIComponent(url.password);
  options.db = Number(query.get('db') ?? (url.protocol === 'unix:' ? 0 : url.pathname.slice(1) || 0));
  if (url.protocol === 'unix:') return { ...options, path: decodeURIComponent(url.pathname) };
  if (url.protocol === 'rediss:') options.tls = { rejectUnauthorized: query.get('ssl_cert_reqs') !== 'none' };
  return { ...options, host: url.hostname.replace(/^\[|\]$/g, '') || 'localhost', port: Number(url.port || 6379) };
}

try {
  const queue = new Queue(task.queue, { connection });
  queue.on('error', (error) => console.error(String(error)));
  await measures[task.kind](queue);
  await queue.close();
  process.exit(0);
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
