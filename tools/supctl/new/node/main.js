// @NAME@: a plugin for supd. The reference is supd.js.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('@NAME@', '1.0.0');

plugin.http('GET', '/@NAME@', () => ({
  greeting: plugin.setting('greeting', 'hello'),
  generation: plugin.generation,
}));

plugin.tool('@NAME@', {
  description: 'Greets somebody.',
  schema: {type: 'object', properties: {name: {type: 'string'}}},
}, (args) => {
  const name = args && args.name ? args.name : 'world';
  return `${plugin.setting('greeting', 'hello')}, ${name}`;
});

plugin.run();
