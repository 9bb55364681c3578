// spans-node: the middle of the chain of spans-python.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('spans-node', '1.0.0');

plugin.tool('node-step', async (args, req) => ({node: req.traceparent,
  ...await plugin.call('tool', 'c-step', {})}));

plugin.run();
