// settings: what plugin.yaml and supd.yaml say, checked, with defaults filled
// in. What is wrong is named by its key.
'use strict';
const fs = require('node:fs');

const APIS = {mattermost: null, slack: 'https://slack.com/api',
  discord: 'https://discord.com/api/v10'};
const KEYS = ['profile', 'api', 'token', 'app_token', 'name', 'ca',
  'connect_timeout', 'retry_min', 'retry_max', 'frame_limit', 'catch_up',
  'intents'];
const FIXED = ['profile', 'api', 'name', 'frameLimit', 'intents'];
const UNITS = {ms: 1, s: 1000, m: 60 * 1000, h: 60 * 60 * 1000};
const SIZES = {KiB: 1024, MiB: 1024 * 1024};
const MIB = 1024 * 1024;
// Guilds, messages of guilds, direct messages, and what is in messages.
const INTENTS = 1 | 512 | 4096 | 32768;

function text(settings, key, fallback) {
  const value = settings[key] || fallback;
  if (typeof value !== 'string' || !value)
    throw new Error(`${key} must be a string that is not empty`);
  return value;
}

function token(settings, key) {
  const value = text(settings, key);
  if (!/^[\x21-\x7e]{8,4096}$/.test(value))
    throw new Error(`${key} is not a token: 8 to 4096 characters of ASCII ` +
      'without spaces');
  return value;
}

function amount(settings, key, fallback, units, what) {
  const value = String(settings[key] ?? fallback);
  const match = /^(\d{1,9})(ms|s|m|h|KiB|MiB)$/.exec(value);
  if (!match || !Object.hasOwn(units, match[2]))
    throw new Error(`${key} must be ${what}, such as ${fallback}`);
  return Number(match[1]) * units[match[2]];
}

function duration(settings, key, fallback, most) {
  const ms = amount(settings, key, fallback, UNITS, 'a time');
  if (ms < 1 || ms > most)
    throw new Error(`${key} must be from 1ms to ${most / 1000}s`);
  return ms;
}

function number(settings, key, fallback, least, most) {
  const value = Number(settings[key] ?? fallback);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${key} must be a number from ${least} to ${most}`);
  return value;
}

// The address without a slash at its end.
function api(settings, profile) {
  const base = text(settings, 'api', APIS[profile]);
  let url;
  try {
    url = new URL(base);
  } catch {
    url = {protocol: ''};
  }
  if (!/^https?:$/.test(url.protocol) || url.search || url.hash ||
      url.username || url.password)
    throw new Error('api must be an address that begins with https:// or ' +
      'http://, and nothing but an address');
  return base.replace(/\/+$/, '');
}

function certificates(settings) {
  if (!settings.ca) return undefined;
  try {
    return fs.readFileSync(text(settings, 'ca'));
  } catch (error) {
    throw new Error(`ca: ${error.message}`);
  }
}

/** The settings of a worker, or an Error for people. */
function read(settings) {
  const unknown = Object.keys(settings).find((key) => !KEYS.includes(key));
  if (unknown)
    throw new Error(`there is no setting '${unknown}'; known are ` +
      KEYS.join(', '));
  const profile = text(settings, 'profile', '');
  if (!Object.hasOwn(APIS, profile))
    throw new Error(`profile must be ${Object.keys(APIS).join(', ')}, not ` +
      profile.slice(0, 40));
  const config = {
    profile,
    api: api(settings, profile),
    token: token(settings, 'token'),
    appToken: profile === 'slack' ? token(settings, 'app_token') : null,
    name: text(settings, 'name', profile),
    ca: certificates(settings),
    connectTimeout: duration(settings, 'connect_timeout', '10s', UNITS.h),
    retryMin: duration(settings, 'retry_min', '1s', UNITS.h),
    retryMax: duration(settings, 'retry_max', '1m', UNITS.h),
    frameLimit: amount(settings, 'frame_limit', '4MiB', SIZES, 'a size'),
    catchUp: number(settings, 'catch_up', 1000, 1, 10000),
    intents: number(settings, 'intents', INTENTS, 0, 2 ** 31 - 1),
  };
  if (config.frameLimit < 64 * 1024 || config.frameLimit > 16 * MIB)
    throw new Error('frame_limit must be from 64KiB to 16MiB');
  if (config.retryMin > config.retryMax)
    throw new Error('retry_min must not be above retry_max');
  return config;
}

/** The key of a setting that only a reload can change, if it is another one. */
function fixed(before, after) {
  return FIXED.find((key) => before[key] !== after[key]);
}

module.exports = {read, fixed};
