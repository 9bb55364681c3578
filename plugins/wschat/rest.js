// rest: requests to the platform's HTTP API, one connection each, so that it is
// always known whether a request may have arrived. Answers are bounded, nothing
// is redirected, TLS is verified. Limits of rates are remembered per bucket.
'use strict';
const http = require('node:http');
const https = require('node:https');

const BODY_MAX = 8 * 1024 * 1024; // of an answer
const TIMEOUT_MS = 15 * 1000;
const BUCKETS_MAX = 1000;
const WAIT_MAX = 10 * 60 * 1000; // the longest pause that a server may ask for
const TRIES = 5; // of a request that only reads

/** It certainly did not arrive. */
class Unsent extends Error {}
/** The rate is limited: again after `after` milliseconds. */
class Limited extends Error {
  constructor(after) {
    super('the platform limits the rate');
    this.after = after;
  }
}
/** The platform refuses; `status`, and `code` if it has one. */
class Refused extends Error {
  constructor(status, code, text) {
    super(String(text).slice(0, 300));
    this.status = status;
    this.code = code;
  }
}
/** The token is not valid, or not for this: a person has to act. */
class Login extends Error {}

/** Milliseconds within bounds of what a server says, in seconds. */
function waitOf(seconds) {
  const ms = Math.ceil(Number(seconds) * 1000);
  return ms > 0 ? Math.min(ms, WAIT_MAX) : 1000;
}

/** When each bucket may be used again. */
class Pace {
  constructor() {
    this.buckets = new Map(); // name -> time
  }

  block(bucket, after) {
    this.buckets.delete(bucket); // it becomes the youngest
    if (this.buckets.size >= BUCKETS_MAX)
      this.buckets.delete(this.buckets.keys().next().value);
    this.buckets.set(bucket, Date.now() + after);
  }

  /** Throws Limited while one of them is blocked. */
  check(...buckets) {
    for (const bucket of buckets) {
      const left = (this.buckets.get(bucket) ?? 0) - Date.now();
      if (left > 0) throw new Limited(left);
      this.buckets.delete(bucket);
    }
  }
}

// One request: {status, headers, text}.
function exchange(url, {method, headers, body, ca, signal}) {
  return new Promise((done, failed) => {
    const library = url.protocol === 'https:' ? https : http;
    const began = Date.now();
    let connected = false;
    const request = library.request(url, {method, headers, ca, signal,
      rejectUnauthorized: true, agent: false});
    const fail = (error) => failed(connected ? error
      : new Unsent(`cannot reach ${url.host}: ${error.message}`));
    const timer = setTimeout(() => request.destroy(new Error(
      `${url.host} did not answer in time`)), TIMEOUT_MS);
    request.on('socket', (socket) => socket.once(
      url.protocol === 'https:' ? 'secureConnect' : 'connect',
      () => { connected = true; }));
    request.on('error', fail);
    request.on('close', () => clearTimeout(timer));
    request.on('response', (response) => {
      const pieces = [];
      let bytes = 0;
      response.on('data', (piece) => {
        bytes += piece.length;
        if (bytes > BODY_MAX)
          request.destroy(new Error(`${url.host} answers with too much`));
        else pieces.push(piece);
      });
      response.on('error', fail);
      response.on('end', () => done({status: response.statusCode,
        headers: response.headers, text: Buffer.concat(pieces).toString(),
        ms: Date.now() - began}));
    });
    request.end(body);
  });
}

function jsonOf(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return null;
  }
}

/** A promise that ends after so many milliseconds, or fails with the signal. */
function pause(ms, signal) {
  return new Promise((done, failed) => {
    const stop = () => {
      clearTimeout(timer);
      failed(new Error('stopped'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      done();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, {once: true});
  });
}

/** The API at `base`. dialect: judge({status, headers, json}, bucket, pace)
 * throws Limited, Login or Refused for what is no success. */
class Rest {
  constructor(base, {ca, authorization, judge, pace}) {
    this.base = base;
    this.ca = ca;
    this.authorization = authorization;
    this.judge = judge;
    this.pace = pace;
  }

  /** One try: {json, headers}. options: {json (the body), query, bucket,
   * authorization, signal} */
  async call(method, path, options = {}) {
    const url = new URL(this.base + path);
    if (!url.pathname.endsWith(path)) // a chat that is called '..', say
      throw new Refused(400, null, 'there is no such chat or message');
    for (const [key, value] of Object.entries(options.query ?? {}))
      url.searchParams.set(key, value);
    const bucket = options.bucket ?? `${method} ${path}`;
    this.pace.check('*', bucket);
    const body = options.json === undefined ? undefined
      : Buffer.from(JSON.stringify(options.json));
    const headers = {'User-Agent': 'supd-wschat/1', Accept: 'application/json',
      Authorization: options.authorization ?? this.authorization};
    if (body) {
      headers['Content-Type'] = 'application/json; charset=utf-8';
      headers['Content-Length'] = body.length;
    } else if (method !== 'GET') {
      headers['Content-Length'] = 0;
    }
    const answer = await exchange(url,
      {method, headers, body, ca: this.ca, signal: options.signal});
    answer.json = jsonOf(answer.text);
    this.judge(answer, bucket, this.pace);
    return answer;
  }

  /** The same for what only reads: tried again after what passes. */
  async patient(method, path, options = {}) {
    for (let tries = 1; ; tries++) {
      try {
        return await this.call(method, path, options);
      } catch (error) {
        if (error instanceof Login || error instanceof Refused ||
            options.signal?.aborted || tries >= TRIES) throw error;
        await pause(error instanceof Limited ? error.after
          : 500 * 2 ** tries * (0.5 + Math.random() / 2), options.signal);
      }
    }
  }
}

module.exports = {Rest, Pace, Unsent, Limited, Refused, Login, waitOf, pause};
