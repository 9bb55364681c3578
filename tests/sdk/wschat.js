// The parts of the package wschat that need neither supd nor a server: its
// settings, pauses and limits, and what it makes of the platforms' messages.
'use strict';
const assert = require('node:assert');
const Module = require('node:module');
const path = require('node:path');

process.env.NODE_PATH = path.join(__dirname, '../../worker/node');
Module._initPaths();
const folder = path.join(__dirname, '../../plugins/wschat');
const own = (name) => require(path.join(folder, name));
const supd = require('supd');
const settings = own('settings.js');
const {Keeper} = own('keeper.js');
const {Pace, Limited, Login, Refused, Rest, Unsent, waitOf} = own('rest.js');

let run = 0, bad = 0;

async function test(name, body) {
  run++;
  try {
    await body();
    console.log(`ok ${run} - ${name}`);
  } catch (error) {
    bad++;
    console.log(`not ok ${run} - ${name}\n  # ${error.stack}`);
  }
}

const GOOD = {profile: 'mattermost', api: 'https://chat.example.org/api/v4/',
  token: 'abcdefgh', name: '', ca: ''};

// A session of the account `id`, without a connection.
function session(profile, id = '77') {
  const {Profile} = own(`${profile}.js`);
  const config = settings.read({...GOOD, profile, app_token: 'abcdefgh'});
  const made = new Profile(new Keeper({log() {}}, Profile, config), config);
  made.identity = {id, name: 'bot'};
  made.mention = profile === 'discord' ? new RegExp(`<@!?${id}>`)
    : /@bot(?![\w.-])/i;
  made.asked = [];
  made.rest = {call: async (method, where, options) => {
    made.asked.push([method, where, options.json]);
    return {json: {id: '5', channel: 'C1', ts: '1.2'}};
  }};
  return made;
}

async function all() {
  await test('settings_are_checked_and_have_defaults', () => {
    const config = settings.read(GOOD);
    assert.strictEqual(config.api, 'https://chat.example.org/api/v4');
    assert.strictEqual(config.name, 'mattermost');
    assert.strictEqual(config.connectTimeout, 10000);
    assert.strictEqual(config.frameLimit, 4 * 1024 * 1024);
    for (const [change, why] of [
      [{profile: 'irc'}, /profile must be mattermost, slack, discord, not irc/],
      [{profile: 'constructor'}, /profile must be/],
      [{token: ''}, /token must be a string/],
      [{token: 'with space'}, /token is not a token/],
      [{token: 'line\nbreak'}, /token is not a token/],
      [{api: ''}, /api must be a string/],
      [{api: 'ftp://x'}, /api must be an address/],
      [{api: 'https://a:b@x/'}, /api must be an address/],
      [{connect_timeout: '0s'}, /connect_timeout must be from/],
      [{connect_timeout: 'soon'}, /connect_timeout must be a time/],
      [{retry_min: '2m'}, /retry_min must not be above/],
      [{frame_limit: '1GiB'}, /frame_limit must be a size/],
      [{frame_limit: '17MiB'}, /frame_limit must be from/],
      [{catch_up: 1.5}, /catch_up must be a number/],
      [{profile: 'slack'}, /app_token must be/],
      [{ca: '/none/such'}, /ca: ENOENT/],
      [{tokens: 1}, /there is no setting 'tokens'/],
    ]) assert.throws(() => settings.read({...GOOD, ...change}), why);
  });

  await test('only_some_settings_change_without_a_reload', () => {
    const config = settings.read(GOOD);
    const differs = (change) => settings.fixed(config,
      settings.read({...GOOD, ...change}));
    assert.strictEqual(differs({token: 'another-one'}), undefined);
    assert.strictEqual(differs({retry_max: '5m'}), undefined);
    assert.strictEqual(differs({name: 'other'}), 'name');
    assert.strictEqual(differs({api: 'https://other.example.org'}), 'api');
  });

  await test('pauses_grow_from_the_least_to_the_most', () => {
    const keeper = new Keeper({}, null, settings.read(GOOD));
    for (let failures = 1; failures < 200; failures++) {
      const most = Math.min(60000, 1000 * 2 ** (failures - 1));
      const ms = keeper.pauseAfter(failures, new Error('x'));
      assert.ok(ms >= most / 2 && ms <= most, `${failures}: ${ms}`);
    }
    assert.ok(keeper.pauseAfter(1, new Login('x')) >= 30000);
    assert.ok(keeper.pauseAfter(1, new Limited(90000)) >= 90000);
  });

  await test('what_a_server_asks_for_is_bounded', () => {
    for (const odd of [0, -1, NaN, undefined, 'x', null])
      assert.strictEqual(waitOf(odd), 1000);
    assert.strictEqual(waitOf('0.25'), 250);
    assert.strictEqual(waitOf(1e300), 600000);
    const pace = new Pace();
    for (let i = 0; i < 3000; i++) pace.block(`b${i}`, 60000);
    assert.strictEqual(pace.buckets.size, 1000);
    assert.throws(() => pace.check('*', 'b2999'), Limited);
    pace.check('*', 'b0');
    pace.block('past', -1);
    pace.check('past');
    assert.strictEqual(pace.buckets.has('past'), false);
  });

  await test('answers_are_judged', () => {
    const judged = (profile, answer) => {
      const pace = new Pace();
      try {
        own(`${profile}.js`).Profile.judge({headers: {}, ...answer}, 'b', pace);
      } catch (error) {
        return error;
      }
      return null;
    };
    const {mattermost, discord, slack} = {
      mattermost: (answer) => judged('mattermost', answer),
      discord: (answer) => judged('discord', answer),
      slack: (answer) => judged('slack', answer)};
    for (const each of [mattermost, discord]) {
      assert.strictEqual(each({status: 200, json: {}}), null);
      assert.ok(each({status: 200, json: null}) instanceof Error);
      assert.ok(each({status: 401, json: null}) instanceof Login);
      assert.ok(each({status: 403, json: {message: 'no'}}) instanceof Refused);
      assert.strictEqual(each({status: 302, json: null}).status, 302);
      const broken = each({status: 502, json: null});
      assert.ok(!(broken instanceof Refused || broken instanceof Limited));
    }
    assert.strictEqual(mattermost({status: 429,
      headers: {'x-ratelimit-reset': '2'}, json: null}).after, 2000);
    const until = String(Math.floor(Date.now() / 1000) + 100);
    const {after} = mattermost({status: 429,
      headers: {'x-ratelimit-reset': until}, json: null});
    assert.ok(after > 50000 && after <= 100000, String(after));
    assert.strictEqual(discord({status: 429,
      json: {retry_after: 0.5, global: true}}).after, 500);
    assert.strictEqual(discord({status: 204, json: null}), null);
    assert.strictEqual(slack({status: 200, json: {ok: true}}), null);
    assert.ok(slack({status: 200, json: null}) instanceof Error);
    assert.ok(slack({status: 200, json: {ok: false, error: 'invalid_auth'}})
      instanceof Login);
    assert.strictEqual(slack({status: 429, headers: {'retry-after': '7'},
      json: null}).after, 7000);
    assert.strictEqual(slack({status: 200,
      json: {ok: false, error: 'msg_too_long'}}).code, 'msg_too_long');
  });

  await test('buckets_of_discord_close_before_they_are_empty', () => {
    const pace = new Pace();
    own('discord.js').Profile.judge({status: 200, json: {}, headers: {
      'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': '3'}}, 'b',
    pace);
    assert.throws(() => pace.check('b'), Limited);
    pace.check('other');
  });

  await test('what_did_not_arrive_is_known', async () => {
    const rest = new Rest('http://127.0.0.1:1', {pace: new Pace(),
      authorization: 'x', judge() {}});
    await assert.rejects(rest.call('GET', '/'), Unsent);
  });

  await test('a_path_is_of_the_api', async () => {
    const rest = new Rest('http://127.0.0.1:1/api', {pace: new Pace(),
      authorization: 'x', judge() {}});
    for (const odd of ['/channels/../messages', '/posts/..', '/posts/.'])
      await assert.rejects(rest.call('GET', odd), Refused);
    await assert.rejects(rest.call('GET', '/posts/a%2Fb..'), Unsent);
  });

  // The platform announces the end of each session as soon as it is there.
  await test('sessions_that_retire_are_bounded', async () => {
    class Restless {
      constructor(keeper) {
        Object.assign(this, {keeper, identity: {id: '1', name: 'x'}});
      }

      async open() { setImmediate(() => this.keeper.renew(this)); }

      retire() {}

      close() { this.keeper.sessions.delete(this); }
    }
    const warned = [], keeper = new Keeper({log: (level, text) =>
      warned.push(text)}, Restless, {retryMin: 1, retryMax: 2});
    let ups = 0;
    await keeper.start({cursor: null, status() { ups++; }},
      new AbortController().signal);
    while (keeper.sessions.size < 4)
      await new Promise((done) => setImmediate(done));
    for (let i = 0; i < 100; i++)
      await new Promise((done) => setTimeout(done, 1));
    assert.strictEqual(keeper.sessions.size, 4);
    assert.strictEqual(ups, 4);
    await keeper.stop();
    assert.strictEqual(keeper.sessions.size, 0);
    assert.deepStrictEqual(warned, []);
  });

  await test('nothing_is_read_while_supd_takes_no_more', async () => {
    const made = session('slack', 'U0BOT'), did = [];
    let room;
    made.socket = {paused: false, send() {}, pause: () => did.push('pause'),
      resume: () => did.push('resume')};
    made.keeper.room = () => new Promise((done) => { room = done; });
    made.keeper.receive = ({id}) => did.push(id);
    const push = (n) => made.push(JSON.stringify({type: 'events_api',
      envelope_id: `e${n}`, payload: {event: {type: 'message', channel: 'C',
        user: 'U1', ts: String(n), text: 'x'}}}));
    const turn = () => new Promise((done) => setImmediate(done));
    for (let n = 0; n < 64; n++) push(n);
    await turn();
    assert.deepStrictEqual(did, []); // the first waits, 63 are behind it
    push(64);
    assert.deepStrictEqual(did, ['pause']);
    for (let n = 0; n < 65; n++) {
      room();
      await turn();
    }
    assert.strictEqual(did.length, 67);
    assert.deepStrictEqual([did[1], did[65], did[66]],
      ['C:0', 'C:64', 'resume']);
    made.isOver = true;
    push(65);
    await turn();
    assert.strictEqual(did.length, 67);
  });

  await test('what_supd_never_takes_is_acknowledged', async () => {
    const keeper = new Keeper({}, null, settings.read(GOOD));
    const acked = [], next = {};
    keeper.run = {outstanding: 0};
    keeper.channel = {receive: (message) => next[message.id]};
    next.refused = Promise.resolve('refused');
    next.wrong = Promise.reject(new Error('bad_message'));
    next.new = Promise.resolve('new'); // by the SDK
    next.stopped = Promise.reject(new supd.Stopped('stopped'));
    for (const id of Object.keys(next))
      keeper.receive({id}, {seq: 1}, () => acked.push(id));
    await new Promise((done) => setImmediate(done));
    assert.deepStrictEqual(acked.sort(), ['refused', 'wrong']);
    assert.strictEqual(keeper.run.outstanding, 1);
  });

  await test('what_was_missed_is_fetched_within_bounds', async () => {
    const made = session('mattermost', 'me'), warned = [];
    made.keeper.plugin = {log: (level, text) => warned.push(text)};
    const heard = [];
    made.deliver = async (message) => heard.push(message.id);
    const post = (n, change) => ({id: `p${n}`, create_at: 1000 + n,
      user_id: 'ann', channel_id: 'c', message: 'x', ...change});
    const posts = [...Array(200).keys()].map((n) => post(n));
    posts[150] = null; // what is none does not end it
    posts[190] = post(190, {id: 'no good'});
    made.rest.patient = async (method, where, {query}) => {
      const end = posts.length - query.per_page * query.page;
      const ids = [...Array(Math.max(0, end)).keys()]
        .slice(-query.per_page).reverse();
      return {json: {order: ids.map(String),
        posts: Object.fromEntries(ids.map((n) => [String(n), posts[n]]))}};
    };
    assert.strictEqual(await made.fill({id: 'c', type: 'O'}, 1010), 1199);
    assert.strictEqual(heard.length, 188);
    assert.deepStrictEqual([heard[0], heard[187]], ['p10', 'p199']);
    assert.deepStrictEqual(warned, []);
    heard.length = 0;
    made.config.catchUp = 70;
    await made.fill({id: 'c', type: 'O'}, 0);
    assert.deepStrictEqual([heard.length, heard[69]], [70, 'p199']);
    assert.match(warned[0], /too many posts/);
    // long ones
    heard.length = 0;
    made.config.catchUp = 1000;
    for (const each of posts) if (each) each.message = 'x'.repeat(2 ** 20);
    await made.fill({id: 'c', type: 'O'}, 0);
    assert.strictEqual(heard.length, 8);
    assert.strictEqual(warned.length, 2);
  });

  await test('messages_of_mattermost_are_read', () => {
    const made = session('mattermost', 'me');
    const post = {id: 'p1', create_at: 5, user_id: 'ann', channel_id: 'c',
      message: '@bot /status \ud800', root_id: 'r', props: {}};
    const message = made.messageOf(post, 'D', '@ann');
    assert.deepStrictEqual(message, {id: 'p1', at: 5, lane: 'c:r', thread: 'r',
      reply_to: 'r', from: {id: 'ann', name: 'ann', verified: true},
      chat: {id: 'c', type: 'direct'}, mentioned: true,
      text: '/status \ufffd'});
    const heard = (change) => made.messageOf({...post, ...change}, 'O');
    assert.strictEqual(heard({message: 'hi @bot.x'}).mentioned, false);
    assert.strictEqual(heard({message: 'hi @BOT'}).text, 'hi @BOT');
    assert.strictEqual(heard({user_id: 'me'}), null);
    assert.strictEqual(heard({type: 'system_join_channel'}), null);
    assert.strictEqual(heard({delete_at: 7}), null);
    // in the name of whoever made the webhook
    for (const props of [{from_webhook: 'true'}, {from_plugin: 'true'}])
      assert.strictEqual(heard({props}).from.verified, false);
    assert.strictEqual(made.postOf({post: '{"id":'}), null);
    assert.strictEqual(made.postOf({post: 'null'}), null);
    assert.strictEqual(made.postOf({post: '{"id":"a\\nb"}'}), null);
  });

  await test('messages_of_slack_are_read', () => {
    const made = session('slack', 'U0BOT');
    made.bot = 'B0BOT';
    const event = {type: 'message', user: 'U1', channel: 'D1', ts: '17.000200',
      channel_type: 'im', text: ' <@U0BOT>  /echo a &lt;b&gt; &amp;amp;'};
    const message = made.messageOf(event);
    assert.strictEqual(message.id, 'D1:17.000200');
    assert.strictEqual(message.at, 17000);
    assert.strictEqual(message.text, '/echo a <b> &amp;');
    assert.strictEqual(message.mentioned, true);
    assert.strictEqual(message.chat.type, 'direct');
    const heard = (change) => made.messageOf({...event, ...change});
    assert.strictEqual(heard({type: 'app_mention'}).id, message.id);
    assert.strictEqual(heard({thread_ts: '3.4'}).lane, 'D1:3.4');
    assert.strictEqual(heard({subtype: 'bot_message', user: undefined,
      bot_id: 'B2'}).from.verified, false);
    for (const change of [{user: 'U0BOT'}, {bot_id: 'B0BOT'}, {channel: 5},
      {subtype: 'message_changed'}, {ts: null}, {type: 'reaction_added'}])
      assert.strictEqual(heard(change), null);
    assert.strictEqual(made.messageOf(null), null);
  });

  await test('messages_of_discord_are_read', () => {
    const made = session('discord');
    const said = {id: '175928847299117063', type: 0, channel_id: '9',
      guild_id: '8', content: '<@!77> /status', author: {id: '5',
        username: 'ann'}, attachments: [{filename: 'a.png', size: 3,
        content_type: 'image/png', url: 'https://x/a.png'}]};
    const message = made.messageOf(said);
    assert.strictEqual(message.at, 1462015105796);
    assert.strictEqual(message.text, '/status');
    assert.strictEqual(message.chat.type, 'channel');
    assert.strictEqual(message.from.verified, true);
    assert.deepStrictEqual(message.media, [{kind: 'file', type: 'image/png',
      name: 'a.png', size: 3, url: 'https://x/a.png'}]);
    const heard = (change) => made.messageOf({...said, ...change});
    assert.strictEqual(heard({guild_id: undefined}).chat.type, 'direct');
    assert.strictEqual(heard({webhook_id: '4'}).from.verified, false);
    assert.strictEqual(heard({attachments: Array(99).fill(null)}).media.length,
      10);
    for (const change of [{author: {id: '77'}}, {type: 7}, {id: 'x'},
      {author: null}, {channel_id: 9}])
      assert.strictEqual(heard(change), null);
    assert.strictEqual(made.messageOf(undefined), null);
  });

  await test('what_goes_out_is_what_the_platforms_take', async () => {
    const call = {signal: undefined, cancelled: false};
    const target = {chat: 'c', reply_to: 'c:1.2'};
    const asked = async (profile, action, args) => {
      const made = session(profile);
      if (action === 'send') await made.send(target, args, 'send-1', call);
      else await made[action](target, args, call);
      return made.asked[0];
    };
    const [, , sent] = await asked('slack', 'send', {text: '<!channel> & all'});
    assert.strictEqual(sent.text, '&lt;!channel&gt; &amp; all');
    assert.strictEqual(sent.thread_ts, '1.2');
    const [, , posted] = await asked('discord', 'send', {text: '@everyone'});
    assert.deepStrictEqual(posted.allowed_mentions, {parse: []});
    assert.ok(posted.nonce.length <= 25 && posted.enforce_nonce === true);
    assert.deepStrictEqual(
      await asked('mattermost', 'edit', {id: 'a/b', text: 'new'}),
      ['PUT', '/posts/a%2Fb/patch', {message: 'new'}]);
    assert.deepStrictEqual(await asked('mattermost', 'delete', {id: 'p'}),
      ['DELETE', '/posts/p', undefined]);
    assert.deepStrictEqual(
      await asked('mattermost', 'react', {id: 'p', emoji: ':tada:'}),
      ['POST', '/reactions', {user_id: '77', post_id: 'p',
        emoji_name: 'tada'}]);
    assert.strictEqual((await asked('mattermost', 'typing', {}))[1],
      '/users/me/typing');
    assert.deepStrictEqual(await asked('slack', 'edit', {text: 'a<b'}),
      ['POST', '/chat.update', {channel: 'c', ts: '1.2', text: 'a&lt;b'}]);
    assert.strictEqual((await asked('slack', 'delete', {}))[2].ts, '1.2');
    assert.strictEqual((await asked('slack', 'react', {emoji: 'tada'}))[2].name,
      'tada');
    assert.strictEqual((await asked('discord', 'edit',
      {id: '6', text: '@here'}))[1], '/channels/c/messages/6');
    assert.strictEqual((await asked('discord', 'react',
      {id: '6', emoji: '\u{1f389}'}))[1],
    '/channels/c/messages/6/reactions/%F0%9F%8E%89/@me');
    assert.strictEqual((await asked('discord', 'typing', {}))[1],
      '/channels/c/typing');
    await assert.rejects(async () => asked('discord', 'react', {id: '6'}),
      /emoji must have/);
    await assert.rejects(async () => asked('slack', 'edit', {id: 'a b'}),
      /id of the message is missing/);
  });

  await test('a_send_ends_as_supd_understands_it', async () => {
    const made = session('slack');
    const ends = (error) => made.sending(async () => { throw error; });
    made.keeper.login = (text) => { made.needs = text; };
    await assert.rejects(ends(new Limited(70)), (error) =>
      error instanceof supd.Retry && error.after === 70);
    await assert.rejects(ends(new Unsent('x')), supd.Retry);
    await assert.rejects(ends(new Refused(400, 'x', 'no such chat')),
      (error) => error instanceof supd.NotSent &&
        error.message === 'no such chat');
    await assert.rejects(ends(new Login('gone')), supd.NotSent);
    assert.strictEqual(made.needs, 'gone');
    await assert.rejects(ends(new Error('broken')), (error) =>
      error.code === 'failed' && !(error instanceof supd.NotSent));
  });
}

all().then(() => {
  console.log(`1..${run}`);
  process.exit(bad ? 1 : 0);
});
