// Two clients side by side, so that one sees what the other sends.

import { GatewayClient, SocketIoClient } from './clients.js'
import { at, clock, el, say } from './dom.js'

// Events that are shown; older ones go.
const MOST_EVENTS = 200

const ARROWS = { in: '↓', out: '↑', error: '!', open: '●', close: '○', note: '·' }
const SAID = { in: 'received', out: 'sent', error: 'refused', open: 'opened', close: 'closed', note: 'note' }

const GATEWAY_MODES = [
  [100, '100, to a client'], [200, '200, to groups'], [300, '300, to the domain'],
  [1, '1, heartbeat'], [2, '2, join groups'], [3, '3, leave groups'],
]
const EVENTS = [['broadcastInfo', 'broadcastInfo'], ['register', 'register'], ['unRegister', 'unRegister']]

// What is typed is JSON if it can be, and else a text.
function value(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const list = (text) => text.split(',').map((name) => name.trim()).filter(Boolean)

export class Try {
  constructor() {
    this.wasTyped = false
    at('base').value = location.origin.replace(/^http/, 'ws')
    at('base').addEventListener('input', () => { this.wasTyped = true })
    at('where').addEventListener('submit', (event) => event.preventDefault())
    this.panels = [['A', 'alice', 'bob'], ['B', 'bob', 'alice']].map(([letter, me, other]) => new Panel(letter, me, other))
    at('clients').append(...this.panels.map((panel) => panel.node))
  }

  // Where clients go, as the server says, unless somebody knows better: this page may come from the operators' address.
  suggest(listen) {
    if (this.wasTyped) return
    const ports = listen.map((address) => /:(\d+)$/.exec(address)?.[1]).filter(Boolean)
    if (ports.length === 0 || ports.includes(location.port)) return
    const address = listen.find((other) => other.endsWith(`:${ports[0]}`))
    const isWild = /^(0\.0\.0\.0|\[::\]):/.test(address)
    const host = isWild ? `${location.hostname}:${ports[0]}` : address
    at('base').value = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${host}`
    // Once is enough: it does not change while the server runs.
    this.wasTyped = true
  }
}

class Panel {
  constructor(letter, me, other) {
    this.letter = letter
    this.client = null
    this.protocol = 'ws'
    const id = (name) => `${letter.toLowerCase()}-${name}`
    this.id = id
    const input = (name, label, value, more = {}) => el('label', { class: more.class }, label,
      el('input', { id: id(name), value, autocomplete: 'off', spellcheck: 'false', ...more, class: undefined }))
    const select = (name, label, options) => el('label', {}, label,
      el('select', { id: id(name) }, options.map(([key, text]) => el('option', { value: key }, text))))

    this.pill = el('span', { class: 'pill idle', role: 'status', id: id('state') }, 'not connected')
    this.protocols = el('fieldset', { class: 'switch' }, el('legend', { class: 'hidden' }, `Protocol of client ${letter}`),
      [['ws', '/ws'], ['sio', 'Socket.IO']].map(([key, text]) => el('label', {},
        el('input', { type: 'radio', name: id('protocol'), value: key, id: id(key), checked: key === 'ws', onchange: () => this.choose(key) }),
        el('span', {}, text))))

    this.gatewayWho = el('div', { class: 'fields' }, input('bizCode', 'Domain (bizCode)', 'demo', { required: true, maxlength: 256 }),
      input('clientId', 'Client', me, { required: true, maxlength: 256 }), input('group', 'Groups', 'g1', { placeholder: 'g1,g2' }))
    this.sioWho = el('div', { class: 'fields' }, input('user', 'User', me, { maxlength: 256 }), input('groups', 'Groups', 'g1', { placeholder: 'g1,g2' }),
      input('path', 'Path', '/socket.io/', { required: true }))
    this.connectButton = el('button', { type: 'submit', id: id('connect') }, 'Connect')
    this.who = el('form', { 'aria-label': `Connection of client ${letter}`, onsubmit: (event) => this.toggle(event) },
      this.gatewayWho, this.sioWho,
      el('div', { class: 'fields last' }, input('token', 'Token', '', { placeholder: 'if one is wanted' }), this.connectButton))

    this.mode = select('mode', 'What', GATEWAY_MODES)
    this.target = input('target', 'To client', other, { maxlength: 256 })
    this.toGroup = input('to-group', 'Groups', 'g1')
    this.content = el('label', { class: 'long' }, 'Content, JSON or a text',
      el('textarea', { id: id('content'), rows: 2, spellcheck: 'false' }, '{"text":"hello"}'))
    this.receipt = el('label', { class: 'check' }, el('input', { type: 'checkbox', id: id('receipt'), checked: true }), 'with a receipt')
    this.event = select('event', 'What', EVENTS)
    this.room = input('room', 'To user or group', other, { maxlength: 256 })
    this.eventName = input('event-name', 'Event', 'hello', { maxlength: 256 })
    this.text = el('label', { class: 'long' }, 'Text, JSON or a text',
      el('textarea', { id: id('text'), rows: 2, spellcheck: 'false' }, 'hello'))
    this.names = el('div', { class: 'fields' }, input('register-user', 'User', me, { maxlength: 256 }), input('register-groups', 'Groups', 'g2'))
    this.sendButton = el('button', { type: 'submit', id: id('send'), disabled: true }, 'Send')
    this.gatewayWhat = el('div', { class: 'fields' }, this.mode, this.target, this.toGroup, this.content)
    this.sioWhat = el('div', { class: 'fields' }, this.event, this.room, this.eventName, this.text)
    this.what = el('form', { 'aria-label': `Messages of client ${letter}`, onsubmit: (event) => this.send(event) },
      this.gatewayWhat, this.sioWhat, this.names, el('div', { class: 'fields last' }, this.receipt, this.sendButton))
    for (const choice of [this.mode, this.event]) choice.addEventListener('change', () => this.arrange())

    this.flow = el('ol', { class: 'flow', id: id('flow'), 'aria-live': 'polite', 'aria-label': `What happens at client ${letter}`, tabindex: '0' })
    this.empty = el('p', { class: 'empty' }, 'Nothing has happened yet.')
    const clear = el('button', { type: 'button', id: id('clear'), class: 'quiet', onclick: () => this.clear() }, 'Clear')
    this.node = el('section', { class: 'panel client', 'aria-labelledby': id('title') },
      el('header', {}, el('h2', { id: id('title') }, `Client ${letter}`), this.pill, this.protocols),
      this.who, this.what, el('header', {}, el('h3', {}, 'What happens'), clear), this.flow, this.empty)
    this.arrange()
  }

  at(name) {
    return at(this.id(name))
  }

  choose(protocol) {
    this.protocol = protocol
    this.arrange()
  }

  // Shows what goes with the protocol and the kind of message. What is hidden is not asked for either.
  arrange() {
    const gateway = this.protocol === 'ws'
    const mode = Number(this.mode.querySelector('select').value)
    const event = this.event.querySelector('select').value
    const show = (node, shown) => {
      node.hidden = !shown
      for (const field of node.querySelectorAll('input, select, textarea')) field.disabled = !shown
    }
    show(this.gatewayWho, gateway)
    show(this.sioWho, !gateway)
    show(this.gatewayWhat, gateway)
    show(this.sioWhat, !gateway)
    show(this.names, !gateway && event !== 'broadcastInfo')
    show(this.receipt, gateway && mode >= 100)
    if (gateway) {
      show(this.target, mode === 100)
      show(this.toGroup, [2, 3, 200].includes(mode))
      show(this.content, mode >= 100)
    } else {
      for (const field of [this.room, this.eventName, this.text]) show(field, event === 'broadcastInfo')
    }
    const connected = this.client !== null
    for (const field of this.who.querySelectorAll('input')) field.disabled = connected || field.closest('[hidden]') !== null
    for (const field of this.protocols.querySelectorAll('input')) field.disabled = connected
    this.sendButton.disabled = !this.client?.isOpen
    say(this.connectButton, connected ? 'Disconnect' : 'Connect')
    this.connectButton.classList.toggle('quiet', connected)
  }

  toggle(event) {
    event.preventDefault()
    if (this.client) return this.client.close()
    if (!at('base').reportValidity()) return undefined
    const field = (name) => this.at(name).value.trim()
    const Protocol = this.protocol === 'ws' ? GatewayClient : SocketIoClient
    const client = new Protocol((told) => this.told(client, told))
    try {
      const base = at('base').value.trim()
      client.connect(this.protocol === 'ws'
        ? { base, bizCode: field('bizCode'), clientId: field('clientId'), group: field('group'), token: field('token') }
        : { base, token: field('token'), path: field('path') })
    } catch (error) {
      return this.add({ kind: 'error', name: 'cannot connect', data: error.message })
    }
    this.client = client
    this.state('wait', 'connecting')
    this.arrange()
    return undefined
  }

  told(client, told) {
    this.add(told)
    if (client !== this.client) return
    if (told.kind === 'open') {
      this.state('good', 'connected')
      const [user, groups] = [this.at('user').value.trim(), list(this.at('groups').value)]
      if (this.protocol === 'sio' && (user || groups.length > 0)) client.emit('register', names(user, groups))
    } else if (told.kind === 'close') {
      this.client = null
      this.state('idle', 'not connected')
    }
    this.arrange()
  }

  state(mood, text) {
    this.pill.className = `pill ${mood}`
    say(this.pill, text)
  }

  send(event) {
    event.preventDefault()
    if (!this.client?.isOpen) return
    const field = (name) => this.at(name).value
    if (this.protocol === 'sio') {
      const name = field('event')
      this.client.emit(name, name === 'broadcastInfo'
        ? { roomName: field('room'), eventName: field('event-name'), text: value(field('text')) }
        : names(field('register-user').trim(), list(field('register-groups'))))
      return
    }
    const mode = Number(field('mode'))
    this.sent = (this.sent ?? 0) + 1
    this.client.send({
      msgId: `${this.letter}${this.sent}`,
      mode,
      ...(mode === 100 ? { targetClientId: field('target') } : {}),
      ...([2, 3, 200].includes(mode) ? { group: field('to-group') } : {}),
      ...(mode >= 100 ? { content: value(field('content')), ...(this.at('receipt').checked ? { receipt: true } : {}) } : {}),
    })
  }

  // A line of the flow; the newest is on top.
  add({ kind, name, data, wire }) {
    const shown = data === undefined ? null
      : el('pre', {}, typeof data === 'string' ? data : JSON.stringify(data, null, 2))
    this.flow.prepend(el('li', { class: kind },
      el('span', { class: 'arrow', 'aria-hidden': 'true' }, ARROWS[kind]),
      el('span', { class: 'hidden' }, SAID[kind]),
      el('time', {}, clock(new Date())), el('strong', {}, name), shown,
      wire ? el('details', {}, el('summary', {}, 'as it was sent'), el('code', {}, wire)) : null))
    while (this.flow.children.length > MOST_EVENTS) this.flow.lastChild.remove()
    this.empty.hidden = true
  }

  clear() {
    this.flow.replaceChildren()
    this.empty.hidden = false
  }
}

const names = (user, groups) => ({ ...(user ? { user } : {}), ...(groups.length > 0 ? { group: groups } : {}) })
