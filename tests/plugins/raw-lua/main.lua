-- raw-lua: a worker in Lua, written from proto/README.md and
-- nothing else, on Lua 5.4 and luasocket (Debian: lua5.4 lua-socket).
--
--   GET  /hi/{name}       counts; the count is handed on at a reload
--   POST /note            keeps the body, of any size up to 4 MiB
--   GET  /note            gives it back, above 64 KiB in pieces
--   GET  /lines/{count}   an answer in pieces, as fast as credit comes
--   GET  /ticks           a line every 100 ms until the client leaves
--   GET  /left            waits until a client has left, says how many did
--   GET  /others          how many plugins there are, asked of supd
--   tool sum              {"numbers": [1, 2]} gives 3

local socket = require("socket")
local unix = require("socket.unix")

local INLINE, PIECE, QUEUE = 65536, 32768, 262144

-- MessagePack ---------------------------------------------------------------

local null = setmetatable({}, {__name = "null"})
local function map(t) return setmetatable(t, {__name = "map"}) end
local function bin(s) return setmetatable({s}, {__name = "bin"}) end
local function kind_of(v)
	local m = getmetatable(v)
	return type(v) == "table" and m and m.__name or "array"
end

local B8, B16, B32 = 1 << 8, 1 << 16, 1 << 32

-- The head of something with n bytes or items: its short form up to a limit,
-- then the first byte of those whose size has 8, 16 and 32 bits.
local function sized(n, short, limit, one, two, four)
	if n < limit then return string.char(short + n) end
	if one and n < B8 then return string.pack(">BB", one, n) end
	if n < B16 then return string.pack(">BI2", two, n) end
	return string.pack(">BI4", four, n)
end

local function encode(v)
	local t = type(v)
	if v == nil or v == null then return "\xc0" end
	if t == "boolean" then return v and "\xc3" or "\xc2" end
	if t == "number" then
		if math.type(v) == "float" then return string.pack(">Bd", 0xcb, v) end
		if v < 0 then
			return v >= -32 and string.pack("b", v) or
				string.pack(">Bi8", 0xd3, v)
		end
		return v < 128 and string.char(v) or
			v < B32 and string.pack(">BI4", 0xce, v) or
			string.pack(">Bi8", 0xcf, v)
	end
	if t == "string" then
		return sized(#v, 0xa0, 32, 0xd9, 0xda, 0xdb) .. v
	end
	local kind, out = kind_of(v), {}
	if kind == "bin" then
		return sized(#v[1], 0, 0, 0xc4, 0xc5, 0xc6) .. v[1]
	end
	if kind == "map" then
		local n = 0
		for key, value in pairs(v) do
			n = n + 1
			out[#out + 1] = encode(key) .. encode(value)
		end
		return sized(n, 0x80, 16, nil, 0xde, 0xdf) .. table.concat(out)
	end
	local n = v.n or #v
	for i = 1, n do out[i] = encode(v[i]) end
	return sized(n, 0x90, 16, nil, 0xdc, 0xdd) .. table.concat(out)
end

local decode -- decode(text, at) gives the value and where the next begins

local function decode_text(text, at, n)
	return text:sub(at, at + n - 1), at + n
end

local function decode_array(text, at, n)
	local out = {n = n}
	for i = 1, n do out[i], at = decode(text, at) end
	return out, at
end

local function decode_map(text, at, n)
	local out = map({})
	for _ = 1, n do
		local key
		key, at = decode(text, at)
		out[key], at = decode(text, at)
	end
	return out, at
end

local NUMBERS = {[0xca] = ">f", [0xcb] = ">d", [0xcc] = ">B", [0xcd] = ">I2",
	[0xce] = ">I4", [0xcf] = ">i8", [0xd0] = ">b", [0xd1] = ">i2",
	[0xd2] = ">i4", [0xd3] = ">i8"}
local SIZED = {[0xc4] = {">B", decode_text}, [0xc5] = {">I2", decode_text},
	[0xc6] = {">I4", decode_text}, [0xd9] = {">B", decode_text},
	[0xda] = {">I2", decode_text}, [0xdb] = {">I4", decode_text},
	[0xdc] = {">I2", decode_array}, [0xdd] = {">I4", decode_array},
	[0xde] = {">I2", decode_map}, [0xdf] = {">I4", decode_map}}

function decode(text, at)
	local b = text:byte(at)
	at = at + 1
	if b < 0x80 then return b, at end
	if b < 0x90 then return decode_map(text, at, b - 0x80) end
	if b < 0xa0 then return decode_array(text, at, b - 0x90) end
	if b < 0xc0 then return decode_text(text, at, b - 0xa0) end
	if b >= 0xe0 then return b - 256, at end
	if b == 0xc0 then return null, at end
	if b == 0xc2 or b == 0xc3 then return b == 0xc3, at end
	if NUMBERS[b] then return string.unpack(NUMBERS[b], text, at) end
	local size = SIZED[b] or error("no MessagePack of ours: " .. b)
	local n, next_at = string.unpack(size[1], text, at)
	return size[2](text, next_at, n)
end

-- The link ------------------------------------------------------------------

local link = assert(unix.stream and unix.stream() or unix())
assert(link:connect(os.getenv("SUPD_SOCKET")))
link:settimeout(0)

local queue, queued = {}, 0

local function put(bytes)
	queue[#queue + 1] = bytes
	queued = queued + #bytes
end

local function send(...)
	local payload = encode({n = select("#", ...), ...})
	put(string.pack(">BI8", 1, #payload) .. payload)
end

local function flush()
	local all = table.concat(queue)
	local sent, _, partly = link:send(all)
	all = all:sub((sent or partly) + 1)
	queue, queued = {all}, #all
end

-- What is on its way --------------------------------------------------------

local asked = {}   -- our requests: id -> what to do with the answer
local last_id = 0
local owed = 0     -- requests for the plugin that are not answered whole
local taking = {}  -- bodies that come: id -> {piece(bytes), done()}
local giving = {}  -- what goes out in pieces: id -> {credit, next_piece, owes}
local draining = false

local function ask(name, params, done)
	last_id = last_id + 1
	asked[last_id] = done
	send(0, last_id, name, params)
end

local function finish()
	owed = owed - 1
	if draining and owed == 0 then send(2, "drained", {}) end
end

local function answer(id, result)
	send(1, id, null, result)
end

local function refuse(id, code, text)
	send(1, id, {code, text}, null)
end

-- next_piece(room) gives bytes and whether more come, or nil for "not yet".
local function give(id, next_piece, owes)
	giving[id] = {credit = 262144, next_piece = next_piece, owes = owes}
end

local function pump()
	for id, g in pairs(giving) do
		while g.credit > 0 and queued < QUEUE do
			local bytes, more = g.next_piece(math.min(g.credit, PIECE))
			if not bytes then break end
			g.credit = g.credit - #bytes
			send(2, "chunk", {id, bin(bytes), more})
			if not more then
				giving[id] = nil
				if g.owes then finish() end
				break
			end
		end
	end
end

local function pieces_of(text)
	local at = 1
	return function(room)
		local piece = text:sub(at, at + room - 1)
		at = at + #piece
		return piece, at <= #text
	end
end

local function take(id, first, more, limit, done)
	local parts, size = {first}, #first
	if not more then return done(first) end
	taking[id] = {
		piece = function(bytes)
			size = size + #bytes
			if size <= limit then parts[#parts + 1] = bytes end
		end,
		done = function()
			done(size <= limit and table.concat(parts))
		end
	}
end

local function head(id, status, kind, body, more)
	answer(id, {status, {{"Content-Type", bin(kind)}}, bin(body), more})
end

local function text(id, status, body)
	if #body <= INLINE then
		head(id, status, "text/plain", body, false)
		finish()
	else
		head(id, status, "text/plain", "", true)
		give(id, pieces_of(body), true)
	end
end

-- The plugin ----------------------------------------------------------------

local settings = {}
local state = {count = 0, note = ""}
local cancelled = 0
local NOTE_LIMIT = 4 << 20

local routes = {
	{"GET", "/hi/{name}", function(id, req)
		if req.params.name ~= "probe" then
			state.count = state.count + 1
		end
		text(id, 200, string.format("%s, %s (%d)\n", settings.greeting,
			req.params.name, state.count))
	end},
	{"POST", "/note", function(id, req)
		take(id, req.body, req.more, NOTE_LIMIT, function(note)
			if not note then
				refuse(id, "too_large", "a note has 4 MiB at most")
				return finish()
			end
			state.note = note
			text(id, 200, #note .. "\n")
		end)
	end, body_limit = 64 << 20},
	{"GET", "/note", function(id) text(id, 200, state.note) end},
	{"GET", "/lines/{count}", function(id, req)
		local at, count = 0, tonumber(req.params.count) or 0
		head(id, 200, "text/plain", "", true)
		give(id, function(room)
			local lines, size = {}, 0
			while at < count and size + 32 <= room do
				at = at + 1
				lines[#lines + 1] = "line " .. at .. "\n"
				size = size + #lines[#lines]
			end
			if #lines == 0 and at < count then return nil end
			return table.concat(lines), at < count
		end, true)
	end},
	{"GET", "/ticks", function(id)
		local next_at = 0
		head(id, 200, "text/plain", "", true)
		give(id, function()
			local now = socket.gettime()
			if now < next_at then return nil end
			next_at = now + 0.1
			return "tick\n", true
		end, true)
	end},
	{"GET", "/left", function(id)
		head(id, 200, "text/plain", "", true)
		give(id, function()
			if cancelled == 0 then return nil end
			return cancelled .. "\n", false
		end, true)
	end},
	{"GET", "/others", function(id)
		ask("call", {"method", "plugins.list", map({}), 2000},
			function(failed, result)
				if failed ~= null then
					refuse(id, failed[1], failed[2])
					return finish()
				end
				text(id, 200, #result.plugins .. "\n")
			end)
	end},
}

local function save()
	return string.pack(">I8", state.count) .. state.note
end

local function load(version, blob)
	if version ~= 1 or #blob < 8 then return false end
	state = {count = string.unpack(">I8", blob), note = blob:sub(9)}
	return true
end

local requests = {}

function requests.http(id, p)
	owed = owed + 1
	routes[p[1] + 1][3](id, {params = p[4], body = p[7], more = p[8]})
end

function requests.tool(id, p)
	local sum = 0
	if type(p[2]) ~= "table" or type(p[2].numbers) ~= "table" then
		return refuse(id, "failed", "numbers must be a list")
	end
	for _, number in ipairs(p[2].numbers) do sum = sum + number end
	answer(id, sum)
end

function requests.ping(id) answer(id, null) end

requests.health = requests.ping
requests.probe = requests.ping -- it registers nothing else than it knows

function requests.configure(id, p)
	settings = p[1]
	answer(id, null)
end

function requests.export(id)
	local blob = save()
	if #blob <= INLINE then return answer(id, {1, bin(blob), false, ""}) end
	answer(id, {1, bin(""), true, ""})
	give(id, pieces_of(blob))
end

requests["import"] = function(id, p)
	take(id, p[2], p[3], 16 << 20, function(blob)
		if blob and load(p[1], blob) then return answer(id, null) end
		refuse(id, "failed", "this is no state of mine")
	end)
end

local notifications = {}

function notifications.chunk(p)
	local t = taking[p[1]]
	if not t then return end
	t.piece(p[2])
	if p[3] then
		if #p[2] > 0 then send(2, "credit", {p[1], #p[2]}) end
	else
		taking[p[1]] = nil
		t.done()
	end
end

function notifications.credit(p)
	local g = giving[p[1]]
	if g then g.credit = g.credit + p[2] end
end

function notifications.cancel(p)
	local id = p[1]
	if giving[id] then
		giving[id] = nil
		send(2, "chunk", {id, bin(""), false})
	elseif taking[id] then
		taking[id] = nil
		refuse(id, "cancelled", "nobody waits")
	else
		return -- it is answered, or will be by what we asked
	end
	cancelled = cancelled + 1
	finish()
end

function notifications.drain()
	draining = true
	if owed == 0 then send(2, "drained", {}) end
end

function notifications.resume() draining = false end

local function handle(message)
	if message[1] == 0 then
		local serve = requests[message[3]]
		if serve then return serve(message[2], message[4]) end
		refuse(message[2], "not_found", "no such request here")
	elseif message[1] == 1 then
		local done = asked[message[2]]
		asked[message[2]] = nil
		done(message[3], message[4])
	elseif notifications[message[2]] then
		notifications[message[2]](message[3])
	end
end

-- Its life ------------------------------------------------------------------

local function or_die(what, done)
	return function(failed, result)
		if failed ~= null then
			io.stderr:write(what, ": ", failed[1], ": ", failed[2], "\n")
			os.exit(1)
		end
		done(result)
	end
end

put("\0SP\0\0\x10\0\0")
ask("hello", {1, os.getenv("SUPD_NONCE"), "raw-lua/1"}, or_die("hello",
	function(welcome)
		settings = welcome[3]
		local registrations = {}
		for i, route in ipairs(routes) do
			registrations[i] = map({kind = "http", method = route[1],
				path = route[2], body_limit = route.body_limit})
		end
		registrations[#registrations + 1] = map({kind = "tool",
			name = "sum", description = "adds numbers"})
		ask("ready", {"1.0.0", registrations}, or_die("ready",
			function() send(2, "log", {"info", "ready"}) end))
	end))

local input, greeted = "", false
while true do
	pump()
	local readable, writable = socket.select({link},
		queued > 0 and {link} or nil, next(giving) and 0.05 or nil)
	if writable[link] then flush() end
	if readable[link] then
		local bytes, why, part = link:receive(PIECE)
		bytes = bytes or part
		if why == "closed" then os.exit(0) end
		input = input .. bytes
		if not greeted and #input >= 8 then
			greeted, input = true, input:sub(9)
		end
		while greeted and #input >= 9 do
			local size = string.unpack(">I8", input, 2)
			if #input < 9 + size then break end
			local at = 10
			while at <= 9 + size do
				local message
				message, at = decode(input, at)
				handle(message)
			end
			input = input:sub(10 + size)
		end
	end
end
