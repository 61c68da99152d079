// The real Bull Board over queues of a Redis, on a port of this machine that it prints. Ends with its standard input.
// node board.mjs '{"redis": {"path": "/tmp/s"}, "prefix": "bull", "queues": ["email"], "base": "/admin", "port": 0}'
import express from 'express';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';

const { redis, prefix, queues, base = '', port = 0 } = JSON.parse(process.argv[2]);
const adapter = new ExpressAdapter();
adapter.setBasePath(base);
createBullBoard({
  queues: queues.map((name) => new BullMQAdapter(new Queue(name, { connection: redis, prefix }))),
  serverAdapter: adapter,
});
const app = express();
app.use(base || '/', adapter.getRouter());
const web = app.listen(port, '127.0.0.1', () => console.log(web.address().port));
process.stdin.resume().on('end', () => process.exit(0));
