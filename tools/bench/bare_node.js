// bare_node: the same work as the package bench-node on node:http and nothing
// else: what a Node program alone reaches. One argument: the port.
'use strict';
const http = require('node:http');

const ANSWER = Buffer.from('v=1;' + '.'.repeat(123) + '\n');

http.createServer((request, answer) => {
  if (request.method !== 'GET' || request.url !== '/hello') {
    answer.writeHead(404).end();
    return;
  }
  answer.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': ANSWER.length,
  });
  answer.end(ANSWER);
}).listen(Number(process.argv[2]), '127.0.0.1');
