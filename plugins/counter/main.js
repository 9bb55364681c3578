// counter: counts by name and keeps counting over reloads: what it knows is
// handed from the old worker to the new one. After a crash it begins at zero.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('counter', '1.0.0');
const NAMES_MAX = 10000;
let counts = new Map();

function count(name, by) {
  if (!Number.isSafeInteger(by))
    throw supd.fail('bad_message', 'by must be a whole number');
  if (!counts.has(name) && counts.size >= NAMES_MAX)
    throw supd.fail('conflict', `more than ${NAMES_MAX} names`);
  const sum = (counts.get(name) || 0) + by;
  counts.set(name, sum);
  return {name, count: sum};
}

plugin.http('GET', '/count', () => Object.fromEntries(counts));
plugin.http('GET', '/count/{name}', (req) => ({name: req.params.name,
  count: counts.get(req.params.name) || 0}));
plugin.http('POST', '/count/{name}', (req) =>
  count(req.params.name, Number(req.searchParams.get('by') ?? 1)));

plugin.tool('count', {
  description: 'Counts up by name and says the sum.',
  schema: {type: 'object', required: ['name'], properties: {
    name: {type: 'string'}, by: {type: 'integer', default: 1}}},
}, (args) => {
  if (!args || typeof args.name !== 'string')
    throw supd.fail('bad_message', 'name must be a string');
  return count(args.name, args.by ?? 1);
});

plugin.command('counts', {help: 'Shows what was counted.'}, () =>
  [...counts].map(([name, sum]) => `${name} ${sum}`).join('\n') || 'nothing');

plugin.state(1,
  () => [...counts],
  (version, blob) => {
    if (version !== 1)
      throw supd.fail('version', `state of version ${version}, not 1`);
    counts = new Map(JSON.parse(blob));
  });

plugin.run();
