import { parentPort } from 'node:worker_threads';
import { type DomainDefinition, defineDomain } from '../../src/shared/domain.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { Signer, signatureText } from '../../src/shared/signature.ts';

/** Signs what it is sent, in a thread or a process of its own, and answers with the texts of the signatures. */
export interface SignatureJob {
  readonly domain: DomainDefinition;
  readonly requests: readonly Pick<PlanRequest, 'observation' | 'actions'>[];
}

function signAll(job: SignatureJob): string[] {
  const signer = new Signer(defineDomain(job.domain));
  const out = new Int32Array(4);
  return job.requests.map((request) => signatureText(signer.sign(request.observation, request.actions, out)));
}

parentPort?.once('message', (job: SignatureJob) => parentPort?.postMessage(signAll(job)));
process.once('message', (job: SignatureJob) => process.send?.(signAll(job), () => process.disconnect?.()));
