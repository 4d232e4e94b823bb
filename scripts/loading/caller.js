// A caller of the load: what to do is in the file that PLAN names. Runs in k6; sends nothing anywhere but to the server.
import exec from 'k6/execution';
import grpc from 'k6/net/grpc';
import { SharedArray } from 'k6/data';
import { Trend } from 'k6/metrics';
import { sleep } from 'k6';

const plan = JSON.parse(open(__ENV.PLAN));
const questions = new SharedArray('questions', () => JSON.parse(open(plan.questions)));
export const options = plan.options;

const took = new Trend('took', true);
const client = new grpc.Client();
client.loadProtoset(plan.protoset);
let connected = false;

export default function () {
  if (!connected) {
    client.connect(plan.address, { plaintext: true, timeout: '60s' });
    connected = true;
  }
  const own = plan.callers[exec.scenario.name];
  if (own.pause && exec.vu.iterationInScenario === 0) sleep(own.pause * Math.random()); // people do not come in step
  const number = exec.scenario.iterationInTest;
  const question = { text: questions[number % questions.length], cacheMode: own.cache };
  const metadata = { authorization: `Bearer ${own.token}`, 'x-ragents-priority': own.priority };
  const began = Date.now();
  const reply = client.invoke('ragents.v1.QueryService/Query', { question }, { metadata, timeout: plan.deadline });
  const use = reply.message && reply.message.cache ? reply.message.cache.outcome : '';
  took.add(Date.now() - began, { priority: own.priority, ended: String(reply.status), cache: use || '' });
  if (own.pause) sleep(-own.pause * Math.log(1 - Math.random()));
}
