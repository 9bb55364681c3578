// keeper: keeps one session with the platform while the channel runs: opens
// another one after each end, with growing pauses, before the end where the
// platform announces it, and beside the old one when the token changes.
'use strict';
const supd = require('supd');
const {Pace, Limited, Login, pause} = require('./rest.js');

const STEADY_MS = 10 * 1000; // of a session after which pauses begin anew
const SESSIONS_MAX = 4; // that open, serve or retire

function positionOf(cursor) {
  if (!cursor) return undefined;
  try {
    return JSON.parse(cursor) ?? undefined;
  } catch {
    return undefined; // of another version: as if there were none
  }
}

// Whether it has to be tried before it can be used.
function proves(config, before) {
  return config.token !== before.token ||
    config.appToken !== before.appToken ||
    String(config.ca) !== String(before.ca);
}

class Keeper {
  constructor(plugin, Session, config) {
    this.plugin = plugin;
    this.Session = Session;
    this.config = config;
    this.pace = new Pace();
    this.channel = null;
    this.run = null; // from a start to its stop
    this.session = null; // the one that sends; null while there is none
    this.sessions = new Set(); // also those that open or retire
    this.position = undefined; // where the next one goes on
    this.identity = null;
    this.renewedAt = 0;
    this.rotating = false;
    this.isRefused = false; // the token, when a message was to be sent
  }

  make(config, position) {
    const session = new this.Session(this, config, position);
    this.sessions.add(session);
    return session;
  }

  /** Throws if the platform does not accept it. */
  async open(session, run) {
    try {
      await session.open(run.abort.signal);
    } catch (error) {
      this.sessions.delete(session);
      throw error;
    }
  }

  // ---- start and stop ----

  async start(channel, signal) {
    const run = {isOpen: true, abort: new AbortController(), outstanding: 0,
      failures: 0, loop: 0};
    this.run = run;
    this.channel = channel;
    this.position = positionOf(channel.cursor);
    signal.addEventListener('abort', () => this.halt(run), {once: true});
    const session = this.make(this.config, this.position);
    try {
      await this.open(session, run);
    } catch (error) {
      if (error instanceof Login) channel.status('login', error.message);
      this.halt(run);
      throw supd.fail('failed', error.message);
    }
    this.take(session);
  }

  halt(run) {
    run.isOpen = false;
    run.abort.abort();
    if (run !== this.run) return [];
    this.session = null;
    const closing = [...this.sessions].map((session) => session.close());
    this.sessions.clear();
    return closing;
  }

  /** The position for the next start, or undefined where supd knows better:
   * when a message was not taken. */
  async stop() {
    const {run} = this;
    const position = this.session?.position ?? this.position;
    const isKnown = run?.isOpen && !run.outstanding;
    await Promise.all(run ? this.halt(run) : []);
    return isKnown && position ? JSON.stringify(position) : undefined;
  }

  // ---- sessions ----

  take(session) {
    this.session = session;
    this.identity = session.identity;
    this.isRefused = false;
    if (session.isOver) this.ended(session, session.why);
    else this.channel.status('up', `as ${session.identity.name}`);
  }

  /** A session that was confirmed has ended. */
  ended(session, error) {
    const {run} = this;
    this.sessions.delete(session);
    if (session !== this.session || !run.isOpen) return;
    this.session = null;
    this.position = session.position;
    if (Date.now() - session.openedAt >= STEADY_MS) run.failures = 0;
    run.failures++;
    this.reconnect(run, error);
  }

  pauseAfter(failures, error) {
    const {retryMin, retryMax} = this.config;
    const most = error instanceof Login ? retryMax
      : Math.min(retryMax, retryMin * 2 ** Math.min(failures - 1, 30));
    const ms = most * (0.5 + Math.random() / 2);
    return error instanceof Limited ? Math.max(ms, error.after) : ms;
  }

  async reconnect(run, error) {
    const loop = ++run.loop;
    const isMine = () => run.isOpen && run.loop === loop;
    for (;;) {
      this.channel.status(error instanceof Login ? 'login' : 'waiting',
        error.message);
      try {
        await pause(this.pauseAfter(run.failures, error), run.abort.signal);
        if (!isMine()) return;
        if (!(error instanceof Login)) this.channel.status('connecting');
        const session = this.make(this.config, this.position);
        try {
          await this.open(session, run);
        } finally {
          if (isMine()) this.position = session.position;
        }
        if (isMine()) this.take(session);
        else session.close();
        return;
      } catch (failure) {
        if (!isMine()) return;
        error = failure;
        run.failures++;
      }
    }
  }

  /** The platform will end the session: opens another one before. */
  async renew(old) {
    const {run} = this;
    if (old.isRenewed || old !== this.session) return;
    old.isRenewed = true;
    try {
      // Not as often as the platform likes.
      await pause(Math.max(0, this.renewedAt + this.config.retryMin -
        Date.now()), run.abort.signal);
      if (old !== this.session || this.sessions.size >= SESSIONS_MAX) return;
      this.renewedAt = Date.now();
      const session = this.make(this.config, old.position);
      await this.open(session, run);
      this.replace(session, run);
    } catch (error) {
      // The old one's end is followed by another try.
      if (run.isOpen)
        this.plugin.log('warn', `no second connection: ${error.message}`);
    }
  }

  replace(session, run) {
    const old = this.session;
    if (!run.isOpen) {
      session.close();
      return;
    }
    run.loop++; // ends a reconnect
    this.take(session);
    old?.retire();
  }

  /** Other settings while it runs: connects with them beside the session that
   * there is, and takes that one's place. */
  async rotate(config) {
    const {run} = this;
    if (this.rotating)
      throw supd.fail('busy', 'other settings are being taken');
    this.rotating = true;
    try {
      if (run?.isOpen && proves(config, this.config))
        await this.change(config, run);
      this.config = config;
      if (this.session) this.session.config = config;
    } finally {
      this.rotating = false;
    }
  }

  async change(config, run) {
    const session = this.make(config,
      this.Session.afresh(this.session?.position ?? this.position));
    session.hold();
    try {
      await this.open(session, run);
      this.verify(session);
      await this.session?.settle();
      if (session.isOver) throw session.why;
    } catch (error) {
      session.close();
      this.sessions.delete(session);
      throw supd.fail('failed',
        `no connection with the new settings: ${error.message}`);
    }
    session.goOn(this.session?.position ?? this.position);
    this.replace(session, run);
    session.release();
  }

  // Another account would have other chats.
  verify(session) {
    const {identity} = this;
    if (identity && identity.id !== session.identity.id)
      throw new Error(`the new token is that of ${session.identity.name}, ` +
        `not of ${identity.name}`);
  }

  // ---- messages ----

  room() {
    return this.channel.room();
  }

  receive(message, position, acknowledge) {
    const {run} = this;
    const cursor = position ? JSON.stringify(position) : undefined;
    const ended = (isTaken) => {
      run.outstanding--;
      if (!isTaken) acknowledge?.(); // supd never takes it
    };
    run.outstanding++;
    this.channel.receive({...message, cursor}, acknowledge).then(
      (word) => ended(word !== 'refused'),
      (error) => { if (!(error instanceof supd.Stopped)) ended(false); });
  }

  send(...args) {
    const {session} = this;
    if (!session) throw new supd.Retry(1000, 'there is no connection');
    return session.sending(() => session.send(...args));
  }

  act(action, target, args, call) {
    const {session} = this;
    if (!session) throw new supd.Retry(1000, 'there is no connection');
    return session.sending(async () => {
      await session[action](target, args, call);
      return {ids: []};
    });
  }

  async find(...args) {
    if (!this.session) throw new supd.Retry(1000, 'there is no connection');
    try {
      return await this.session.find(...args);
    } catch (error) {
      if (error instanceof supd.NotSent) throw error;
      throw supd.fail('failed', error.message);
    }
  }

  /** The platform does not take the token any more. */
  login(text) {
    this.isRefused = true;
    this.channel.status('login', text);
  }

  /** It took a message. */
  accepted() {
    if (!this.isRefused || !this.session) return;
    this.isRefused = false;
    this.channel.status('up', `as ${this.identity.name}`);
  }
}

module.exports = {Keeper};
