-- The load of one wrk run. Arguments: method, file of paths, and for PUT the file of the
-- bytes that all values begin with and the file of the 16 bytes with which each ends.
local heads, filler, ends, count = {}, nil, nil, 0

local function read(name)
  local file = assert(io.open(name, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

function init(args)
  if args[1] == "PUT" then
    filler, ends = read(args[3]), read(args[4])
  end
  for path in io.lines(args[2]) do
    local head = args[1] .. " " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n"
    if filler then
      head = head .. "Content-Length: " .. #filler + 16 .. "\r\n"
    end
    heads[#heads + 1] = head .. "\r\n"
  end
end

function request()
  count = count + 1
  local head = heads[count % #heads + 1]
  if not filler then
    return head
  end
  local at = count * 16 % #ends
  return head .. filler .. ends:sub(at + 1, at + 16)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\nSUMMARY {"us":%d,"requests":%d,"bytes":%d,"status":%d,"socket":%d,"timeout":%d,"p50us":%d,"p99us":%d}\n',
    summary.duration, summary.requests, summary.bytes, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
