import type { ExpertListeners } from '../../src/main/models/pool/expert-pool.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import type { Situation } from '../../src/shared/situation.ts';
import type { ExpertResult, ExpertTask } from '../../src/shared/tasks.ts';
import { FakeModels } from './fake-models.ts';

/** Fake models that also keep what they were shown. */
export class RecordingModels extends FakeModels {
  /** What each expert was shown, in the order of the calls. */
  readonly situations: Situation[] = [];
  /** The whole prompt of each synthesis call. */
  readonly prompts: string[] = [];

  override run(
    task: Omit<ExpertTask, 'cancel'>,
    signal?: AbortSignal,
    listeners?: ExpertListeners,
  ): Promise<ExpertResult> {
    // Cloned, as a message to a worker is: what a host changes later must not show here.
    this.situations.push(structuredClone(task.situation));
    return super.run(task, signal, listeners);
  }

  override chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    this.prompts.push(call.messages.map(({ content }) => (typeof content === 'string' ? content : '')).join('\n'));
    return super.chat(call, signal);
  }
}
