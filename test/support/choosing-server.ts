import { json, type Script, streamWhole } from './scripted-server.ts';

/** A model server that lists `m` and answers `choose(body)`, a line of text; silent where that is undefined. */
export function choosing(choose: (body: string) => string | undefined): Script {
  return ({ url, body, response }) => {
    if (url.endsWith('/models')) return json(response, 200, { object: 'list', data: [{ id: 'm', object: 'model' }] });
    if (!url.endsWith('/chat/completions')) return json(response, 404, {});
    const answer = choose(body);
    if (answer !== undefined) streamWhole(response, answer);
  };
}
