import type { Domain, ExpertRole, ImageValue } from '../shared/domain.ts';
import type { ChatMessage } from '../shared/model-client/model-client.ts';
import { type Preamble, renderRole, renderSituation, renderSystem, type Situation } from '../shared/situation.ts';

/**
 * The prompt of one expert: what its seat's prompts have in common, the situation that all experts share, and the role in one line.
 * Pure. `shared` is the rendered situation; by default, one that asks for text. The default preamble describes all roles.
 */
export function expertMessages(
  domain: Domain,
  role: ExpertRole,
  situation: Situation,
  shared?: string,
  preamble?: Preamble,
): ChatMessage[] {
  const text = `${shared ?? renderSituation(domain, situation)}\n\n${renderRole(role.name)}`;
  const images = role.vision ? imagesOf(domain, situation) : [];
  const content =
    images.length === 0
      ? text
      : [...images.map((url) => ({ type: 'image_url' as const, image_url: { url } })), { type: 'text' as const, text }];
  return [
    { role: 'system', content: renderSystem(domain, preamble) },
    { role: 'user', content },
  ];
}

function imagesOf(domain: Domain, situation: Situation): string[] {
  const urls: string[] = [];
  for (const [name, feature] of Object.entries(domain.features)) {
    const value = situation.observation[name];
    if (feature.kind === 'image' && value !== undefined) urls.push(imageUrl(value as ImageValue));
  }
  return urls;
}

function imageUrl(image: ImageValue): string {
  return typeof image === 'string' ? image : `data:${image.mediaType};base64,${image.base64}`;
}
