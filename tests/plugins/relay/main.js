// relay: a channel that does what tests/sdk/channels.py asks for, in JavaScript;
// the same plugin stands in C and Python beside it.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('relay', '1.0.0');
const modes = {start: 'ok', stop: 'ok', send: 'sent'};
let journal = [], held = []; // what waits for `go`

function note(text) {
  journal.push(text);
}

async function hold(what) {
  if (modes[what] === 'hold') await new Promise((done) => held.push(done));
  if (modes[what] === 'fail')
    throw supd.fail('failed', what === 'start' ? 'the server refuses'
      : 'it does not stop');
}

function sent() {
  switch (modes.send) {
    case 'value': return {ids: ['p1', 'p2'], at: 7};
    case 'not_sent': throw new supd.NotSent('nobody is there');
    case 'retry': throw new supd.Retry(50);
    case 'fail': throw new Error('who knows');
    case 'nothing': return undefined;
    default: return 'p1';
  }
}

const relay = {
  async start(channel) {
    note(`start ${channel.epoch} ${channel.cursor ?? 'none'}`);
    await hold('start');
  },
  async stop() {
    note('stop');
    await hold('stop');
    return modes.stop === 'cursor' ? 'mine' : undefined;
  },
  async send(target, content, sendId) {
    note(`send ${sendId} ${target.chat} ${target.thread ?? '-'} ` +
      content.text);
    return sent();
  },
  find(sendId, target, since) {
    note(`find ${sendId} ${target.chat} ${since}`);
    return sent();
  },
  act(action, target, args) {
    note(`act ${action} ${target.id} ${args.emoji}`);
    return sent();
  },
};

const can = ['text', 'react', 'find'];
for (const [words, handlers] of [[can, {...relay, stop: undefined}],
  [can, {...relay, find: undefined}], [can, {...relay, act: undefined}],
  [['text'], relay], [can, {...relay, room() {}}]]) {
  try {
    plugin.channel('relay', {can: words}, handlers);
  } catch {
    continue;
  }
  throw new Error('this cannot be registered');
}
const channel = plugin.channel('relay', {can, ack: 'handled', announce: true,
  textLimit: 400}, relay);

async function give(id, lane, cursor, more = {}) {
  const message = {id, lane, cursor: cursor ?? undefined, at: 5,
    from: {id: 'ann', name: 'Ann', verified: true, phone: undefined},
    chat: {id: 'room', type: 'group'}, thread: undefined, text: 'Hello',
    ...more};
  let how = 'none';
  try {
    how = await channel.receive(message, async () => {
      console.error(`ack ${id}`);
      note(`ack ${id}`);
    });
  } catch (error) {
    console.error(`${id}: ${error.name} ${error.message}`);
  }
  note(`over ${id} ${how}`);
}

plugin.tool('receive', ({id, lane = 'lane', cursor, more}) => {
  give(id, lane, cursor, JSON.parse(more ?? '{}'));
});
plugin.tool('flood', () => {
  for (let number = 0; number < 256; number++)
    give(`m${number}`, `m${number}`);
  channel.room().then(() => note('room'), () => note('no room'));
  return 256;
});
plugin.tool('odd', async () => {
  const said = [];
  for (const [message, acknowledge] of [[null], [{id: 1, lane: 'l'}],
    [{id: '1', lane: 'l', raw: [NaN]}], [{id: '1', lane: 'l', cursor: 7}],
    [{id: '1', lane: 'l'}, 'yes']])
    await channel.receive(message, acknowledge).catch((error) =>
      said.push(error.message));
  return said;
});
plugin.tool('overflow', async () => {
  const count = {waits: 0, busy: 0};
  for (let number = 0; number < 10257; number++)
    channel.receive({id: `${number}`, lane: `${number}`}).catch((error) => {
      count[error.code === 'busy' ? 'busy' : 'waits']++;
    });
  await new Promise((done) => setImmediate(done));
  return count;
});
plugin.tool('set', (args) => { Object.assign(modes, args); });
plugin.tool('go', () => { for (const done of held.splice(0)) done(); });
plugin.tool('journal', () => {
  const lines = journal;
  journal = [];
  return lines;
});
plugin.tool('status', () => {
  channel.status('connecting', 'to it');
  channel.status('up');
  channel.status('waiting', '5 s');
  channel.status('down');
  channel.status('login', 'code?');
  channel.status('failed', 'banned');
});
plugin.tool('send', () => plugin.send('other', 'c1', 'Hello',
  {thread: 't1', replyTo: 'r1', key: 'k1', timeout: 300}));
plugin.tool('act', ({action}) => plugin.act('other', action, 'c1', {
  timeout: 300, ...{
    edit: {id: 'm1', content: 'New'}, react: {id: 'm1', content: '+'},
    delete: {id: 'm1', thread: 't1'}, typing: {},
  }[action]}));
plugin.tool('offer', async () => {
  await plugin.replaceOffers(() => plugin.tool('another', () => null));
  return 'fine';
});

plugin.run();
