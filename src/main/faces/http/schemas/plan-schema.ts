import { z } from 'zod';
import type { Domain, Feature } from '../../../../shared/domain.ts';
import { REQUEST_LIMITS } from '../../../../shared/plan-request.ts';
import { FUTURES_MAX } from '../../../plans/expectations/future.ts';

/**
 * The bodies of `POST /v1/plans`, in zod; the JSON Schema of `/openapi.json` is made from it. It does not validate: the planner calls
 * `checkRequest` for every face. That counts characters as JavaScript does (UTF-16), where JSON Schema counts code points.
 */
const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;

const { actions, actionChars, agentChars, imageChars, setItems, textChars, valueChars } = REQUEST_LIMITS;

// Without flags, because JSON Schema has none.
const IMAGE_URL = /^[dD][aA][tT][aA]:[iI][mM][aA][gG][eE]\/[A-Za-z0-9.+-]+;[bB][aA][sS][eE]64,[A-Za-z0-9+/]/;

const imageValue = z.union([
  z.string().max(imageChars).regex(IMAGE_URL).describe('A data URL of an image.'),
  z.looseObject({
    mediaType: z
      .string()
      .max(valueChars)
      .regex(/^image\//),
    base64: z
      .string()
      .max(imageChars)
      .regex(/^[A-Za-z0-9+/]/),
  }),
]);

function featureValue(feature: Feature): z.ZodType {
  switch (feature.kind) {
    case 'category':
      if (feature.values === undefined) return z.string().max(valueChars);
      return z.enum([...feature.values] as [string, ...string[]]);
    case 'flag':
      return z.boolean();
    case 'number': {
      const edges = feature.edges.length === 0 ? '' : ` Told apart at ${feature.edges.join(', ')}.`;
      return z.number().describe(`Usually from ${feature.range[0]} to ${feature.range[1]}.${edges}`);
    }
    case 'set':
      return z.array(z.string().max(valueChars)).max(setItems);
    case 'text':
      return z.string().max(textChars).describe('For the models alone: not part of what is remembered by.');
    case 'image':
      return imageValue;
    default:
      return feature satisfies never;
  }
}

function observationOf(domain: Domain): z.ZodType {
  const members = Object.entries(domain.features).map(([name, feature]): [string, z.ZodType] => {
    const value = featureValue(feature);
    return [name, feature.optional ? value.optional() : value];
  });
  return z.strictObject(Object.fromEntries(members)).describe(`What the agent perceives now (${domain.name}).`);
}

type DomainsByName = Readonly<Record<string, Domain>>;

/** The body of any request to a planner of these domains. */
export function planBody(domains: DomainsByName): z.ZodType {
  return bodyOf(domains, {
    timeoutMs: z
      .number()
      .gt(0)
      .lte(TIMEOUT_MS_MAX)
      .describe("Time until the plan settles, milliseconds. Default: the planner's.")
      .optional(),
    priority: z.number().describe('Where plans wait for models, higher numbers come first.').optional(),
  });
}

/** The body of an observation: a request without its terms. */
export function stateBody(domains: DomainsByName): z.ZodType {
  return bodyOf(domains, {});
}

export function futuresBody(domains: DomainsByName): z.ZodType {
  const future = bodyOf(domains, {
    inMs: z
      .number()
      .min(0)
      .describe('Time until the agent is expected to ask, milliseconds. Default: with its next request.')
      .optional(),
    likelihood: z
      .number()
      .min(0)
      .max(1)
      .describe('How likely it is. Default: the same for all told together.')
      .optional(),
  });
  return z.strictObject({ futures: z.array(future).max(FUTURES_MAX) });
}

/** A state of one of the domains, which it names if there are several, with these further members. */
function bodyOf(domains: DomainsByName, more: Record<string, z.ZodType>): z.ZodType {
  const [only, ...others] = Object.entries(domains);
  const nameOf = (name: string) => z.literal(name).describe("The agent's domain.");
  if (only !== undefined && others.length === 0) {
    return z.strictObject({ ...stateMembers(only[1]), domain: nameOf(only[0]).optional(), ...more });
  }
  const bodies = Object.entries(domains).map(([name, domain]) => {
    return z.strictObject({ domain: nameOf(name), ...stateMembers(domain), ...more });
  });
  return z.union(bodies);
}

function stateMembers(domain: Domain): Record<string, z.ZodType> {
  return {
    agent: z.string().min(1).max(agentChars).describe('Who asks.'),
    observation: observationOf(domain),
    actions: z
      .array(z.string().min(1).max(actionChars).regex(/\S/))
      .min(1)
      .max(actions)
      .meta({ uniqueItems: true, description: 'The actions that are legal now, each different.' }),
    qValues: z
      .record(z.string(), z.number())
      .meta({ maxProperties: actions, description: 'Learned values by action, higher is better.' })
      .optional(),
  };
}

/** An example request of the first domain. */
export function examplePlan(domains: DomainsByName): Record<string, unknown> {
  return { ...exampleState(domains), timeoutMs: 5_000 };
}

export function exampleState(domains: DomainsByName): Record<string, unknown> {
  const [[name, domain], ...others] = Object.entries(domains) as [[string, Domain], ...unknown[]];
  const observation = Object.fromEntries(
    Object.entries(domain.features)
      .filter(([, { optional }]) => !optional)
      .map(([name, feature]) => [name, exampleValue(feature)]),
  );
  const own = others.length === 0 ? {} : { domain: name };
  return { ...own, agent: 'lydia', observation, actions: ['attack', 'retreat'], qValues: { attack: 0.7 } };
}

function exampleValue(feature: Feature): unknown {
  switch (feature.kind) {
    case 'category':
      return feature.values?.[0] ?? 'here';
    case 'flag':
      return false;
    case 'number':
      return feature.range[0];
    case 'set':
      return ['one'];
    case 'text':
      return 'A hill.';
    case 'image':
      return 'data:image/png;base64,iVBORw0KGgo=';
    default:
      return feature satisfies never;
  }
}
