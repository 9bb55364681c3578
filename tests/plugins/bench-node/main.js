// bench-node: an answer that costs nothing, for measuring the Node SDK beside
// tools/bench/bare_node.js.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('bench-node', '1.0.0');
const ANSWER = Buffer.from('v=1;' + '.'.repeat(123) + '\n');

plugin.http('GET', '/hello', () => ANSWER);
plugin.run();
