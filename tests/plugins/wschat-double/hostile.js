// What a server should not do, on a connection that the client trusts.
'use strict';

const MIB = 1024 * 1024;

// A frame of a server: its first byte, and its payload or only its length.
function frame(first, payload, length = payload.length) {
  const head = length < 126 ? Buffer.from([first, length])
    : length < 65536 ? Buffer.from([first, 126, length >> 8, length & 255])
      : Buffer.concat([Buffer.from([first, 127]), (() => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64BE(BigInt(length));
        return bytes;
      })()]);
  return Buffer.concat([head, payload]);
}

// Writes until the client has gone, or `count` times; told(), of each tenth.
function pour(socket, bytes, count = Infinity, told = () => {}) {
  const part = count / 10;
  const more = () => {
    while (count > 0 && !socket.destroyed)
      if (!socket.write(bytes, --count % part ? undefined : told)) return;
  };
  socket.on('drain', more);
  socket.on('error', () => {});
  more();
}

/** huge: a frame whose head says 1 GiB; large: one of 100 MiB, sent; pieces: a
 * message of countless pieces of a byte; endless: of pieces of 64 KiB; pings: a
 * client that is to answer, and is not read; flood: a million messages that
 * mean nothing; json: what is none; deep: JSON of 500,000 levels; values: a
 * million of them in a message of 3 MiB; bytes: what is no text. */
function hostile(how, conn, profile, told) {
  const {socket} = conn, text = Buffer.from('x');
  switch (how) {
    case 'huge': socket.write(frame(0x81, text, 1024 * MIB)); break;
    case 'large':
      socket.write(frame(0x81, text, 100 * MIB));
      pour(socket, Buffer.alloc(MIB, 'x'), 100);
      break;
    case 'pieces':
      socket.write(frame(0x01, text));
      pour(socket, Buffer.concat(Array(20000).fill(frame(0x00, text))));
      break;
    case 'endless':
      socket.write(frame(0x01, text));
      pour(socket, frame(0x00, Buffer.alloc(65536, 'x')));
      break;
    case 'pings':
      socket.pause();
      pour(socket, Buffer.concat(Array(1000).fill(
        frame(0x89, Buffer.alloc(125, 'x')))));
      break;
    case 'flood':
      pour(socket, Buffer.concat(Array(1000).fill(
        frame(0x81, Buffer.from(JSON.stringify(profile.noise()))))), 1000,
      told);
      break;
    case 'json': socket.write(frame(0x81, Buffer.from('{"op":'))); break;
    case 'deep':
      socket.write(frame(0x81, Buffer.from('['.repeat(500000))));
      break;
    case 'values':
      socket.write(frame(0x81, Buffer.from(`[${'[],'.repeat(1e6)}0]`)));
      break;
    case 'bytes': socket.write(frame(0x82, Buffer.from([1, 2, 3]))); break;
    default: throw new Error(how);
  }
}

module.exports = {hostile};
