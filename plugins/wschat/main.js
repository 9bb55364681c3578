// wschat: a channel for chats whose API is HTTP and a WebSocket: Mattermost,
// Slack in socket mode, Discord's gateway. A profile (mattermost.js, slack.js,
// discord.js) knows a platform; this brings it, its settings and supd together.
'use strict';
const supd = require('supd');
const settings = require('./settings.js');
const {Keeper} = require('./keeper.js');

const plugin = new supd.Plugin('wschat', '1.0.0');
let keeper;

plugin.onStart(() => {
  const config = settings.read(plugin.settings);
  const {Profile} = require(`./${config.profile}.js`);
  keeper = new Keeper(plugin, Profile, config);
  const handlers = {
    start: (channel, signal) => keeper.start(channel, signal),
    stop: () => keeper.stop(),
    send: (...args) => keeper.send(...args),
    act: (...args) => keeper.act(...args),
  };
  if (Profile.can.includes('find'))
    handlers.find = (...args) => keeper.find(...args);
  plugin.channel(config.name,
    {can: Profile.can, textLimit: Profile.textLimit}, handlers);
});

plugin.onConfigure((changed) => {
  const config = settings.read(changed);
  const key = settings.fixed(keeper.config, config);
  if (key) throw supd.fail('conflict', `${key} is only changed by a reload`);
  return keeper.rotate(config);
});

plugin.run();
