// chat: what chat-python does, in Node, without its lock.
'use strict';
const fs = require('fs');
const path = require('path');
const supd = require('supd');

const plugin = new supd.Plugin('chat-node', '1.0.0');
const DEFAULTS = {at: 1700000000000, lane: 'room',
  from: {id: 'ann', name: 'Ann', verified: true},
  chat: {id: 'room', type: 'group'}};
let position = 0, timer = null;

const file = (name) => path.join(plugin.settings.dir, name);
const note = (text) =>
  fs.appendFileSync(file('journal'), `${plugin.generation} ${text}\n`);
const read = (name) =>
  (fs.existsSync(file(name)) ? fs.readFileSync(file(name), 'utf8') : '');

async function poll(channel) {
  const lines = read('inbox').split('\n').slice(position, -1);
  for (const line of lines) {
    const message = {...DEFAULTS, ...JSON.parse(line),
      cursor: String(position + 1)};
    try {
      note(`${await channel.receive(message)} ${message.id}`);
    } catch (error) {
      if (error instanceof supd.Stopped) return;
      note(`${error.code} ${message.id}`);
    }
    position++;
  }
  if (channel.open) timer = setTimeout(poll, 10, channel);
}

function nextWord() {
  const words = read('sends').split(/\s+/).filter(Boolean);
  if (words.length) fs.writeFileSync(file('sends'), words.slice(1).join(' '));
  return words[0];
}

plugin.onStart(() => {
  const channel = plugin.channel('chat', {can: ['text', 'find']}, {
    start() {
      note(`start ${channel.epoch} ${channel.cursor ?? 'nil'}`);
      position = Number(channel.cursor ?? 0);
      poll(channel);
    },
    stop() {
      note('stop');
      clearTimeout(timer);
      return String(position);
    },
    send(target, content, sendId) {
      const word = nextWord();
      if (word === 'retry') throw new supd.Retry(50);
      if (word === 'not_sent') throw new supd.NotSent('nobody is there');
      if (word === 'die') process.exit(9);
      fs.appendFileSync(file('outbox'), `${JSON.stringify({send: sendId,
        to: target.chat, text: content.text, gen: plugin.generation})}\n`);
      if (word === 'late') process.exit(9);
      return `m-${sendId}`;
    },
    find(sendId) {
      note('find');
      if (read('outbox').includes(`"${sendId}"`)) return `m-${sendId}`;
      throw new supd.NotSent('it is not there');
    },
  });
});

plugin.run();
