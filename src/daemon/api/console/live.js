// What the server does: numbers once a second, and what became of them since the second before.

import { at, age, brief, bytes, count, el, rate, say } from './dom.js'
import { Bar, Rows, Spark } from './charts.js'

// Samples that the turn times look back on.
const TURNS = 10

const CARDS = [
  ['connections', 'Clients', (now) => now.sockets, count],
  ['messages', 'Messages in', (now, rates) => rates.messagesIn, rate, '/s'],
  ['deliveries', 'Deliveries', (now, rates) => rates.deliveries, rate, '/s'],
  ['accepted', 'Accepted', (now, rates) => rates.accepted, rate, '/s'],
  ['closed', 'Closed', (now, rates) => rates.closed, rate, '/s'],
  ['queued', 'Queued', (now) => now.queuedBytes, bytes],
]

const MEMORY = { rss: 'resident', pss: 'proportional' }

const sum = (counts) => Object.values(counts).reduce((all, n) => all + n, 0)

// The smallest bound that so much of the counts is within, or null for more than the largest.
function within(share, counts, bounds) {
  const all = counts.reduce((total, n) => total + n, 0)
  if (all === 0) return undefined
  let seen = 0
  for (let place = 0; place < counts.length; place += 1) {
    seen += counts[place]
    if (seen >= share * all) return place < bounds.length ? bounds[place] : null
  }
  return null
}

// Who a slow connection is, in a line.
function nameOf(link) {
  const names = link.sockets.map((socket) => (
    'bizCode' in socket
      ? `${socket.clientId ?? '?'} in ${socket.bizCode}`
      : `${socket.user ?? socket.id ?? '?'} in ${socket.namespace}`
  ))
  return names.join(', ') || 'no client yet'
}

export class Live {
  constructor() {
    this.before = null
    this.history = []
    this.cards = new Map(CARDS.map(([id, label, , format, unit]) => {
      const value = el('span', { class: 'value', id: `${id}-value` }, '–')
      const detail = el('p', { class: 'detail', id: `${id}-detail` })
      const spark = new Spark(label, (n) => `${format(n)}${unit ?? ''}`)
      at('cards').append(el('section', { class: 'card', 'aria-label': label },
        el('h2', {}, label), el('p', { class: 'big' }, value, unit ? el('span', { class: 'unit' }, unit) : null),
        detail, spark.node))
      return [id, { value, detail, spark }]
    }))
    this.reactors = new Rows(at('reactors'), (number) => {
      const [clients, busy] = [new Bar(`Clients of reactor ${number}`), new Bar(`Busy time of reactor ${number}`)]
      const [clientsText, busyText, deliveries, queued] = [1, 2, 3, 4].map(() => el('span'))
      const node = el('tr', {}, el('th', { scope: 'row' }, number),
        el('td', {}, el('span', { class: 'meter' }, clients.node, clientsText)),
        el('td', {}, el('span', { class: 'meter' }, busy.node, busyText)),
        el('td', { class: 'number' }, deliveries), el('td', { class: 'number' }, queued))
      return { node, clients, busy, clientsText, busyText, deliveries, queued }
    })
    this.memory = new Rows(at('memory'), (part) => {
      const [bar, text] = [new Bar(`Memory, ${part}`), el('span', { class: 'number' })]
      return { bar, text, node: el('p', { class: 'meter' }, el('span', { class: 'name' }, MEMORY[part] ?? part), bar.node, text) }
    })
    this.reasons = new Map(['dropped', 'refused', 'closed'].map((what) => {
      const list = el('dl', { class: 'facts' })
      const none = el('p', { class: 'note' }, 'none')
      at('reasons').append(el('section', {}, el('h3', {}, what), list, none))
      return [what, { rows: new Rows(list, factRow), none }]
    }))
    this.turns = new Rows(at('turns'), factRow)
    this.cluster = new Rows(at('cluster'), factRow)
    this.slow = new Rows(at('slow'), () => {
      const heads = [...document.querySelectorAll('#slow-table thead th')]
      const cells = heads.map((head, n) => (n === 0
        ? el('th', { scope: 'row' })
        : el('td', { class: head.className || null, 'data-label': head.textContent })))
      return { cells, node: el('tr', {}, cells) }
    })
  }

  // The answers of /stats and of /slow, at this time in milliseconds.
  show(stats, slow, time) {
    const before = this.before
    // After a restart, or a pause in which nothing was asked, a difference says nothing about a second.
    const usable = before && stats.uptimeSeconds > before.stats.uptimeSeconds && time - before.time < 5000
    const seconds = usable ? (time - before.time) / 1000 : null
    const per = (now, then) => (usable ? Math.max(0, now - then) / seconds : null)
    const old = usable ? before.stats : stats
    const rates = {
      messagesIn: per(stats.messagesIn, old.messagesIn),
      deliveries: per(stats.deliveries, old.deliveries),
      accepted: per(stats.accepted, old.accepted),
      closed: per(sum(stats.closed), sum(old.closed)),
      busy: stats.reactors.map((reactor, n) => per(reactor.turns.seconds, old.reactors[n]?.turns.seconds ?? 0)),
      deliveriesOf: stats.reactors.map((reactor, n) => per(reactor.deliveries, old.reactors[n]?.deliveries ?? 0)),
      cpu: per(stats.cpuSeconds ?? 0, old.cpuSeconds ?? 0),
    }
    if (before && !usable) this.history = []
    this.history.push(stats)
    if (this.history.length > TURNS + 1) this.history.shift()
    this.before = { stats, time }

    this.showCards(stats, rates)
    this.showReactors(stats, rates)
    this.showTurns(stats, rates)
    this.showMemory(stats)
    this.showReasons(stats)
    this.showCluster(stats)
    this.showSlow(slow)
    say(at('about'), `${stats.version}, up ${age(stats.uptimeSeconds)}`)
  }

  // A second in which the server did not answer.
  gap() {
    for (const { spark } of this.cards.values()) spark.push(null)
  }

  showCards(stats, rates) {
    for (const [id, , read, format] of CARDS) {
      const { value, spark } = this.cards.get(id)
      const now = read(stats, rates)
      say(value, now === null ? '–' : format(now))
      spark.push(now)
    }
    const detail = (id, text) => say(this.cards.get(id).detail, text)
    const webSockets = stats.sockets - stats.polling
    detail('connections', `${count(webSockets)} WebSocket, ${count(stats.polling)} polling`)
    detail('messages', `${count(stats.messagesIn)} in all`)
    detail('deliveries', `${count(stats.deliveries)} in all`)
    detail('accepted', `${count(stats.connections)} connections open`)
    detail('closed', `${count(sum(stats.closed))} in all`)
    detail('queued', 'waits for readers')
  }

  showReactors(stats, rates) {
    const most = Math.max(1, ...stats.reactors.map((reactor) => reactor.sockets))
    this.reactors.show(stats.reactors.map((reactor, n) => [String(n), { reactor, n }]), (row, { reactor, n }) => {
      say(row.clientsText, count(reactor.sockets))
      row.clients.set(reactor.sockets / most, `${count(reactor.sockets)} clients`)
      const busy = rates.busy[n]
      const text = busy === null ? '–' : `${(busy * 100).toFixed(busy < 0.1 ? 1 : 0)}%`
      say(row.busyText, text)
      row.busy.set(busy, text)
      row.busy.node.classList.toggle('hot', busy > 0.8)
      say(row.deliveries, rate(rates.deliveriesOf[n]))
      say(row.queued, bytes(reactor.queuedBytes))
    })
    const fair = stats.sockets / stats.reactors.length
    const skew = fair >= 1 ? Math.max(...stats.reactors.map((reactor) => reactor.sockets)) / fair : null
    say(at('balance'), skew === null || stats.reactors.length === 1 ? '' : `The fullest reactor has ${skew.toFixed(2)} times its fair share of clients.`)
  }

  showTurns(stats, rates) {
    const oldest = this.history[0]
    const counts = stats.turns.counts.map((n, place) => n - (this.history.length > 1 ? oldest.turns.counts[place] ?? 0 : 0))
    const upTo = (share) => {
      const bound = within(share, counts, stats.bucketSeconds)
      return bound === undefined ? '–' : bound === null ? `over ${brief(stats.bucketSeconds.at(-1))}` : `within ${brief(bound)}`
    }
    this.turns.show([
      ['half of them', upTo(0.5)],
      ['99 of 100', upTo(0.99)],
      ['the longest', upTo(1)],
      ['processor', rates.cpu === null ? '–' : `${(rates.cpu * 100).toFixed(rates.cpu < 0.1 ? 1 : 0)}% of a core`],
    ], sayFact)
  }

  showMemory(stats) {
    const { ceiling = null, ...known } = stats.memoryBytes
    // What the ceiling is for is the process and the kernel together.
    if (ceiling !== null) known['rss + kernel'] = known.rss + known.kernel
    const parts = Object.entries(known)
    const full = ceiling ?? Math.max(1, ...parts.map(([, n]) => n))
    this.memory.show(parts, (row, n) => {
      say(row.text, bytes(n))
      row.bar.set(n / full, bytes(n))
      row.bar.node.classList.toggle('hot', ceiling !== null && n > 0.9 * ceiling)
    })
    // With few clients it is the program that weighs.
    const perClient = stats.sockets >= 1000 && stats.memoryBytes.pss
      ? `${bytes(stats.memoryBytes.pss / stats.sockets)} a client, with the program. ` : ''
    say(at('memory-note'), `${perClient}${ceiling === null ? 'No ceiling is set.' : `The ceiling is ${bytes(ceiling)}.`}`)
  }

  showReasons(stats) {
    for (const [what, { rows, none }] of this.reasons) {
      const items = Object.entries(stats[what]).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1])
      rows.show(items.map(([name, n]) => [name, count(n)]), sayFact)
      none.hidden = items.length > 0
    }
  }

  showCluster(stats) {
    const cluster = stats.cluster
    at('cluster').hidden = !cluster
    const note = !cluster ? 'This server is alone.'
      : cluster.up ? '' : 'Redis is not reached: other servers do not hear this one.'
    say(at('cluster-note'), note)
    at('cluster-note').classList.toggle('error', Boolean(cluster) && !cluster.up)
    if (!cluster) return
    this.cluster.show([
      ['state', cluster.up ? 'up' : 'down'],
      ['other servers', count(cluster.nodes)],
      ['published', count(cluster.published)],
      ['received', count(cluster.received)],
      ['dropped', count(cluster.dropped)],
      ['missed', count(cluster.missed)],
      ['waiting', bytes(cluster.waitingBytes)],
    ], sayFact)
  }

  showSlow(slow) {
    at('slow-table').hidden = slow.length === 0
    at('slow-empty').hidden = slow.length > 0
    this.slow.show(slow.map((link, place) => [place, link]), ({ cells }, link) => {
      const or = (value, format) => (value === null ? '–' : format(value))
      const texts = [
        nameOf(link), link.address ?? '–', `${link.transport}, reactor ${link.reactor}`, bytes(link.queuedBytes),
        age(link.waitingSeconds), or(link.unacknowledgedBytes, bytes),
        or(link.rttMs, (ms) => `${brief(ms / 1000)} ± ${brief(link.rttVarMs / 1000)}`),
      ]
      cells.forEach((cell, n) => say(cell, texts[n]))
    })
  }
}

function factRow(name) {
  const value = el('dd')
  return { value, node: el('div', {}, el('dt', {}, name), value) }
}

function sayFact(row, text) {
  say(row.value, text)
}
