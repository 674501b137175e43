// The two protocols, as a browser speaks them: /ws, and Socket.IO (Engine.IO 4, Socket.IO 5, on a WebSocket).
//
// A client tells what happens by its listener: { kind: 'open' | 'close' | 'in' | 'out' | 'note', name, data, wire }.
// Socket.IO is spoken here in person, so that the page needs no file of another address and can show what is sent; pages
// of one's own use socket.io-client, which the server has.

class Client {
  constructor(tell) {
    this.tell = tell
    this.isOpen = false
  }

  listen(url) {
    this.socket = new WebSocket(url)
    this.socket.onclose = (event) => {
      this.isOpen = false
      const why = event.reason || (event.code === 1006 ? 'refused, or the connection broke' : '')
      this.tell({ kind: 'close', name: `closed with ${event.code}`, data: why || undefined })
    }
    this.socket.onmessage = (event) => this.received(event.data)
  }

  close() {
    this.socket.close(1000)
  }
}

const withQuery = (base, path, parameters) => {
  const url = new URL(path, base.replace(/\/+$/, '') + '/')
  for (const [name, value] of Object.entries(parameters)) {
    if (value) url.searchParams.set(name, value)
  }
  return url.href
}

const parsed = (text) => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const MODES = { 1: 'heartbeat', 2: 'join', 3: 'leave', 100: 'to a client', 200: 'to groups', 300: 'to the domain' }

export class GatewayClient extends Client {
  connect({ base, bizCode, clientId, group, token }) {
    this.listen(withQuery(base, 'ws', { bizCode, clientId, group, token }))
    this.socket.onopen = () => {
      this.isOpen = true
      this.tell({ kind: 'open', name: 'connected', data: { bizCode, clientId, ...(group ? { group } : {}) } })
    }
  }

  send(message) {
    const wire = JSON.stringify(message)
    this.tell({ kind: 'out', name: MODES[message.mode] || 'message', data: message, wire })
    this.socket.send(wire)
  }

  received(wire) {
    const data = parsed(wire)
    const isAnswer = data && typeof data === 'object' && 'code' in data
    const bad = isAnswer && data.code !== 0
    this.tell({ kind: bad ? 'error' : 'in', name: isAnswer ? (bad ? 'refused' : 'answer') : 'message', data, wire })
  }
}

export class SocketIoClient extends Client {
  connect({ base, token, path }) {
    this.acks = new Map()
    this.nextAck = 0
    this.auth = token ? { token } : undefined
    this.listen(withQuery(base, path.replace(/^\/+/, ''), { EIO: '4', transport: 'websocket' }))
  }

  // An event whose acknowledgement is shown, too.
  emit(name, ...args) {
    const id = this.nextAck++
    this.acks.set(id, name)
    this.packet(`2${id}${JSON.stringify([name, ...args])}`, { kind: 'out', name, data: args.length === 1 ? args[0] : args })
  }

  packet(text, said) {
    const wire = `4${text}`
    if (said) this.tell({ ...said, wire })
    this.socket.send(wire)
  }

  close() {
    if (this.isOpen) this.packet('1')
    super.close()
  }

  received(wire) {
    if (typeof wire !== 'string') return this.tell({ kind: 'in', name: 'binary', data: `${wire.size} bytes` })
    const [type, rest] = [wire[0], wire.slice(1)]
    if (type === '0') return this.packet(`0${this.auth ? JSON.stringify(this.auth) : ''}`)
    if (type === '2') return this.socket.send('3')
    if (type === '4') this.message(rest, wire)
  }

  // A packet of Socket.IO: its type, an id of an acknowledgement, JSON. The namespace is always the main one.
  message(text, wire) {
    const [, id, json] = /^\d(\d*)([^]*)$/.exec(text) || [null, '', '']
    const data = json ? parsed(json) : undefined
    switch (text[0]) {
      case '0':
        this.isOpen = true
        return this.tell({ kind: 'open', name: 'connected', data, wire })
      case '1':
        this.isOpen = false
        this.tell({ kind: 'note', name: 'disconnected by the server', wire })
        return this.socket.close()
      case '4':
        this.tell({ kind: 'error', name: 'connect_error', data, wire })
        return this.socket.close()
      case '2': {
        const [name, ...args] = Array.isArray(data) ? data : ['?', data]
        const kind = name === 'exception' ? 'error' : 'in'
        return this.tell({ kind, name: String(name), data: args.length === 1 ? args[0] : args, wire })
      }
      case '3': {
        const name = this.acks.get(Number(id)) || ''
        this.acks.delete(Number(id))
        const [answer] = Array.isArray(data) ? data : [data]
        const failed = answer && answer.ok === false
        return this.tell({ kind: failed ? 'error' : 'in', name: `${name} acknowledged`, data: answer, wire })
      }
      default:
        return this.tell({ kind: 'in', name: 'packet', data: text, wire })
    }
  }
}
