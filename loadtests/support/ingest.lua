-- Readings for wrk to post: no two alike in device and time, whatever the number of threads.
-- WATTLEDGER_KEY is the API key; WATTLEDGER_KEYS_FILE has one per device instead, one per line
-- with WATTLEDGER_TRACED each request is part of a span of its own
-- arguments: shape (json, ndjson, msgpack, generic), readings per request, first time in epoch ms, devices, threads

local ffi = require("ffi")
local started = 0
local everyone = {}

function setup(thread)
    thread:set("number", started)
    started = started + 1
    everyone[started] = thread
end

local function big_endian_double(value)
    local bytes = ffi.string(ffi.new("double[1]", value), 8)
    return string.char(0xcb) .. bytes:reverse()
end

local function msgpack_text(text)
    return string.char(0xa0 + #text) .. text
end

-- what stands before and after the time in a reading of a device
local function around_json(device, value)
    if device % 2 == 0 then
        return string.format('{"type":"meter","meterId":"M-%d","kwhConsumedAc":%.3f,"voltage":%.1f,"timestamp":',
            device, value, 220 + value * 10), "}"
    end
    return string.format(
        '{"type":"vehicle","vehicleId":"V-%d","soc":%.1f,"kwhDeliveredDc":%.3f,"batteryTemp":%.1f,"timestamp":',
        device, 20 + value * 30, value, 20 + value * 10), "}"
end

local function around_generic(device, value)
    local kind = device % 2 == 0 and "meter" or "vehicle"
    return string.format('{"type":"%s","id":"%s_%d","value1":%.3f,"value2":%.1f,"timestamp":',
        kind, kind, device, value, 20 + value * 10), "}"
end

local function around_msgpack(device, value)
    local number = big_endian_double
    local text = msgpack_text
    if device % 2 == 0 then
        return string.char(0x85) .. text("type") .. text("meter") .. text("meterId") .. text("M-" .. device)
            .. text("kwhConsumedAc") .. number(value) .. text("voltage") .. number(220 + value * 10)
            .. text("timestamp"), ""
    end
    return string.char(0x86) .. text("type") .. text("vehicle") .. text("vehicleId") .. text("V-" .. device)
        .. text("soc") .. number(20 + value * 30) .. text("kwhDeliveredDc") .. number(value)
        .. text("batteryTemp") .. number(20 + value * 10) .. text("timestamp"), ""
end

local function time_json(milliseconds)
    return string.format("%d", milliseconds)
end

local function time_msgpack(milliseconds)
    local bytes = { string.char(0xcf) }
    for place = 7, 0, -1 do
        bytes[#bytes + 1] = string.char(math.floor(milliseconds / 256 ^ place) % 256)
    end
    return table.concat(bytes)
end

local shapes = {
    json = { around_json, time_json, "application/json", "[", ",", "]" },
    ndjson = { around_json, time_json, "application/x-ndjson", "", "\n", "\n" },
    msgpack = { around_msgpack, time_msgpack, "application/msgpack", "", "", "" },
    generic = { around_generic, time_json, "application/json", "[", ",", "]" },
}

function init(arguments)
    local shape = arguments[1]
    size = tonumber(arguments[2])
    first = tonumber(arguments[3])
    local devices = tonumber(arguments[4])
    local threads = tonumber(arguments[5])
    local around
    around, time_text, media_type, opening, separator, closing = unpack(shapes[shape])
    if shape == "msgpack" and size > 1 then
        -- array 16
        opening = string.char(0xdc, math.floor(size / 256), size % 256)
    end
    before, after = {}, {}
    for device = number, devices - 1, threads do
        before[#before + 1], after[#after + 1] = around(device, (device % 97 + 1) / 100)
    end
    turn, milliseconds, last_text = 0, first, time_text(first)
    local function head_with(key)
        return string.format("POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: %s\r\nContent-Length: ",
            wrk.path, wrk.headers["Host"], key and "Authorization: Bearer " .. key .. "\r\n" or "", media_type)
    end
    head = head_with(os.getenv("WATTLEDGER_KEY"))
    heads = nil
    local file = os.getenv("WATTLEDGER_KEYS_FILE")
    if file then
        heads = {}
        local device = 0
        for key in io.lines(file) do
            if device % threads == number then
                heads[#heads + 1] = head_with(key)
            end
            device = device + 1
        end
    end
    traced = os.getenv("WATTLEDGER_TRACED")
    spans = 0
    failed = 0
end

local function traceparent()
    if not traced then
        return ""
    end
    spans = spans + 1
    return string.format("traceparent: 00-%016x%08x%08x-%08x%08x-01\r\n", first, number, spans, number + 1, spans)
end

local function reading()
    turn = turn + 1
    if turn > #before then
        turn = 1
        milliseconds = milliseconds + 1
        last_text = time_text(milliseconds)
    end
    return before[turn] .. last_text .. after[turn]
end

function request()
    local body
    if size == 1 then
        body = reading()
    else
        local readings = {}
        for place = 1, size do
            readings[place] = reading()
        end
        body = opening .. table.concat(readings, separator) .. closing
    end
    return (heads and heads[turn] or head) .. #body .. "\r\n" .. traceparent() .. "\r\n" .. body
end

function response(status, _, body)
    -- 202: a buffer has them, and knows no duplicates
    if status ~= 202 and (status ~= 201 or not (body:find('"duplicates":0}', 1, true) or body == "{}")) then
        failed = failed + 1
        if failed == 1 then
            io.stderr:write(string.format("unexpected answer %d: %s\n", status, body:sub(1, 300)))
        end
    end
end

function done(summary, latency)
    local wrong = 0
    for _, thread in ipairs(everyone) do
        wrong = wrong + thread:get("failed")
    end
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"microseconds":%d,"wrong":%d,"broken":%d,'
            .. '"p50":%.0f,"p95":%.0f,"p99":%.0f,"p999":%.0f}\n',
        summary.requests, summary.duration, wrong,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(95), latency:percentile(99), latency:percentile(99.9)))
end
