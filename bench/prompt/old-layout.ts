import { imageFeaturesOf } from '../../src/shared/domain.ts';
import type { ChatMessage } from '../../src/shared/model-client/model-client.ts';
import { hasNumericNames, labelsFor } from '../../src/shared/reads/labels.ts';
import { labelOf, oneLine, situationOf } from '../../src/shared/situation.ts';
import type { AskedForm, Layout } from './layout.ts';

/**
 * The prompt as it was before its parts were ordered by how fast they change: the situation first, in the order of the domain,
 * then actions, values and the form of the answer in full, and the role with its whole description last. Frozen, to be compared with.
 */
export const oldLayout: Layout = {
  name: 'old',
  saw: () => {},
  messages: (domain, request, role, form): readonly ChatMessage[] => {
    const { observation, actions, topValues } = situationOf(request, 64);
    const pictures = imageFeaturesOf(domain);
    const features = Object.entries(domain.features).flatMap(([name, feature]) => {
      const value = observation[name];
      if (value === undefined || pictures.includes(name)) return [];
      const text = value === true ? 'yes' : value === false ? 'no' : oneLine(String(value), 2_000);
      return [`${labelOf(name, feature)}: ${text}`];
    });
    const values = topValues.map(([action, value]) => `${oneLine(action)}: ${value.toFixed(2)}`);
    const user = [
      `SITUATION\n${features.join('\n')}`,
      `ACTIONS\n${listed(actions, form)}`,
      ...(values.length > 0 ? [`VALUES (learned from experience, higher is better)\n${values.join('\n')}`] : []),
      `ANSWER\n${answerForm(actions, form)}`,
      `YOUR ROLE: ${role.name}\n${role.prompt}`,
    ];
    return [
      {
        role: 'system',
        content: `You advise an agent that must act now. ${domain.description}\nYou choose exactly one of the listed actions. You answer briefly.`,
      },
      { role: 'user', content: user.join('\n\n') },
    ];
  },
};

function listed(actions: readonly string[], form: AskedForm): string {
  const labels = form === 'label' ? labelsFor(actions) : actions.map((_, index) => String(index + 1));
  const isByName = form === 'json' && hasNumericNames(actions);
  return actions.map((action, i) => `${isByName ? '-' : `${labels[i]}.`} ${oneLine(action)}`).join('\n');
}

function answerForm(actions: readonly string[], form: AskedForm): string {
  if (form === 'label') {
    return `Only the ${labelsFor(actions)[0] === '1' ? 'number' : 'letter'} of one action from the list.`;
  }
  const what = `the ${hasNumericNames(actions) ? 'name' : 'number'} of one action from the list`;
  return `One JSON object and nothing else: "choice" is ${what}, "confidence" says from 0 to 1 how sure you are, "reason" is one short sentence that says why.`;
}
