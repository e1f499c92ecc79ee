// @ts-check
// The page shows who is in the lobby, the list of rooms, and the rooms that are open on it.

/** @typedef {{ id: string, name: string }} Person */
/** @typedef {{ from: Person, text: string }} Message */
/** @typedef {{ name: string, locked: boolean }} Listed */

const { realtime } = /** @type {any} */ (window).umbral;

const NOTE_MS = 8000;
const LOG_LINES = 200;
const MOST_SHOWN = 24;

/** The visitor of this page, until the lobby's subscription says another one. @type {Person | null} */
let me = null;

/** The rooms that are open on this page. @type {Map<string, Room>} */
const open = new Map();

/** @template {Element} [T=HTMLElement] @returns {T} */
const $ = (/** @type {string} */ selector, /** @type {ParentNode} */ from = document) =>
  /** @type {any} */ (from.querySelector(selector));

/** A copy of the element in a template. @returns {HTMLElement} */
const stamp = (/** @type {string} */ id) =>
  /** @type {any} */ ($(id).cloneNode(true)).content.firstElementChild;

/**
 * Asks the server. A refusal is an error with the server's words.
 * @param {string} method @param {string} path @param {any} [body]
 */
async function ask(method, path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return response.status === 204 ? null : response.json();
}

const pathOf = (/** @type {string} */ room) => `/rooms/${encodeURIComponent(room)}`;

/**
 * Sends a form by script, and shows an error beside it.
 * @param {HTMLFormElement} form
 * @param {(values: any) => Promise<void>} send
 */
function onSubmit(form, send) {
  const error = $('.error', form) ?? $('.error', form.closest('.room') ?? form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    error.textContent = '';
    try {
      await send(Object.fromEntries(new FormData(form)));
      form.reset();
    } catch (problem) {
      error.textContent = /** @type {Error} */ (problem).message;
    }
  });
}

// People ---------------------------------------------------------------------------------

/** The colour of an id, which is the same on every screen. */
function hueOf(/** @type {string} */ id) {
  let hash = 7;
  for (const c of id) hash = (Math.imul(hash, 31) + c.charCodeAt(0)) | 0;
  return Math.abs(Math.imul(hash, 2654435761 | 0)) % 360;
}

function initials(/** @type {string} */ name) {
  const words = name.split(/\s+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0]).join('').toUpperCase();
}

/** Fills an element with a person's avatar and name. */
function portray(/** @type {HTMLElement} */ element, /** @type {Person} */ person) {
  element.dataset.id = person.id;
  element.dataset.member = person.name;
  element.style.setProperty('--hue', String(hueOf(person.id)));
  $('.avatar', element).textContent = initials(person.name);
  $('.name', element).textContent = person.id === me?.id ? `${person.name} (you)` : person.name;
}

/** Shows the people of a room. A person who stays keeps the same element. */
function showPeople(/** @type {HTMLElement} */ list, /** @type {readonly Person[]} */ people) {
  const old = new Map([...list.children].map((li) => [/** @type {any} */ (li).dataset.id, li]));
  const items = people.slice(0, MOST_SHOWN).map((person) => {
    const item = /** @type {HTMLElement} */ (old.get(person.id) ?? stamp('#person-template'));
    portray(item, person);
    return item;
  });
  if (people.length > MOST_SHOWN) {
    const more = document.createElement('li');
    more.textContent = `and ${people.length - MOST_SHOWN} more`;
    items.push(more);
  }
  arrange(list, items);
}

/** Makes `items` the children of the list. An item that is in its place keeps its focus. */
function arrange(/** @type {HTMLElement} */ list, /** @type {HTMLElement[]} */ items) {
  for (const item of [...list.children]) if (!items.includes(/** @type {any} */ (item))) item.remove();
  items.forEach((item, i) => {
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
  });
}

function showCount(/** @type {HTMLElement} */ element, /** @type {number} */ count) {
  element.textContent = String(count);
  element.dataset.count = String(count);
  element.title = `${count} here`;
}

// A room ---------------------------------------------------------------------------------

class Room {
  constructor(/** @type {string} */ name) {
    this.name = name;
    this.card = stamp('#room-template');
    this.card.dataset.room = name;
    this.card.setAttribute('aria-label', `Room ${name}`);
    $('h3', this.card).textContent = name;
    this.log = $('.log', this.card);
    $('.leave', this.card).addEventListener('click', () => leave(name));
    onSubmit($('[name=say]', this.card), (said) => ask('POST', `${pathOf(name)}/messages`, said));
    onSubmit($('[name=key]', this.card), async (shown) => {
      await ask('POST', `${pathOf(name)}/key`, shown);
      // The new connection asks again for the room that was refused.
      realtime.reconnect();
    });
    $('#open-rooms').append(this.card);

    // From here on others see this visitor in the room.
    const group = `room:${name}`;
    this.presence = realtime.presence(group, {
      status: () => this.show(),
      sync: () => this.show(),
      join: (/** @type {Person} */ person) => this.show(`${person.name} came`),
      leave: (/** @type {Person} */ person) => this.show(`${person.name} left`),
    });
    this.messages = realtime.subscribe([group], {
      chat: (/** @type {Message} */ message) => this.hear(message),
    });
    this.show();
  }

  /** Unsubscribes. Others see this visitor leave at once. */
  close() {
    this.presence.unsubscribe();
    this.messages.unsubscribe();
  }

  show(news = '') {
    const { members, count, status } = this.presence;
    this.card.dataset.status = status;
    showPeople($('.people', this.card), members);
    showCount($('.count', this.card), count);
    if (news) this.note(news);
    showWhere();
  }

  hear(/** @type {Message} */ { from, text }) {
    const line = stamp('#person-template');
    portray(line, from);
    line.className = 'message person';
    line.toggleAttribute('data-mine', from.id === me?.id);
    const words = document.createElement('p');
    words.textContent = text;
    line.append(words);
    this.add(line);
  }

  /** Adds a line that disappears after a while. */
  note(/** @type {string} */ text) {
    const line = document.createElement('li');
    line.className = 'note';
    line.textContent = text;
    this.add(line);
    setTimeout(() => line.remove(), NOTE_MS);
  }

  add(/** @type {HTMLElement} */ line) {
    this.log.append(line);
    if (this.log.children.length > LOG_LINES) this.log.firstElementChild?.remove();
    this.log.scrollTop = this.log.scrollHeight;
  }
}

function enter(/** @type {string} */ name) {
  const room = open.get(name) ?? new Room(name);
  open.set(name, room);
  remember();
  room.card.scrollIntoView({ block: 'nearest' });
  $('input', room.card).focus({ preventScroll: true });
}

function leave(/** @type {string} */ name) {
  open.get(name)?.close();
  open.get(name)?.card.remove();
  open.delete(name);
  remember();
  $(`[data-enter="${CSS.escape(name)}"]`)?.focus();
}

/** Keeps the open rooms over a reload of this tab. */
function remember() {
  sessionStorage.setItem('rooms', JSON.stringify([...open.keys()]));
  showWhere();
}

// The lobby ------------------------------------------------------------------------------

const lobby = realtime.presence('public:lobby', {
  status: checkIdentity,
  // It comes again after a lost connection, in which the list of rooms may have changed.
  sync: listRooms,
});
lobby.subscribe(showLobby);
realtime.subscribe(['public:lobby'], { rooms: showRooms });

function showLobby() {
  const { status, error } = lobby;
  $('#status').dataset.status = status;
  $('#status').textContent = error ? `${status}: ${error.message}` : status;
  showPeople($('[data-room=lobby] .people'), lobby.members);
  showCount($('[data-room=lobby] .count'), lobby.count);
}

/** Asks who the visitor is if another tab has signed in or out. */
function checkIdentity() {
  if (lobby.status === 'live' && lobby.me !== (me?.id ?? null)) whoAmI();
}

async function listRooms() {
  showRooms(await ask('GET', '/rooms'));
}

function showRooms(/** @type {Listed[]} */ rooms) {
  const items = rooms.map(({ name, locked }) => {
    const old = $(`[data-enter="${CSS.escape(name)}"]`)?.closest('li');
    if (old) return old;
    const item = stamp('#place-template');
    const button = $('button', item);
    $('.name', item).textContent = name;
    button.dataset.enter = name;
    button.toggleAttribute('data-locked', locked);
    if (locked) button.setAttribute('aria-label', `${name}, needs a key`);
    button.addEventListener('click', () => enter(name));
    return item;
  });
  arrange($('#rooms'), items);
  showWhere();
}

/** Shows in which rooms this visitor is, in words and on the list's buttons. */
function showWhere() {
  const held = ['live', 'reconnecting'];
  const inside = [...open.values()].filter((room) => held.includes(room.presence.status)).length;
  $('#where').textContent = inside ? `You are in ${inside} room${inside === 1 ? '' : 's'}` : '';
  $('#hint').hidden = !me || open.size > 0;
  for (const button of /** @type {any} */ (document.querySelectorAll('[data-enter]'))) {
    const room = open.get(button.dataset.enter);
    button.disabled = !me;
    button.setAttribute('aria-pressed', String(Boolean(room)));
    button.dataset.here = room?.presence.count || '';
  }
}

// The visitor ----------------------------------------------------------------------------

async function whoAmI() {
  become(await ask('GET', '/session'));
}

/** Shows the page for this person, or for a visitor without a name. */
function become(/** @type {Person | null} */ person) {
  const another = me && me.id !== person?.id;
  me = person;
  if (another) for (const name of [...open.keys()]) leave(name);
  document.body.dataset.me = me?.name ?? '';
  $('#welcome').hidden = Boolean(me);
  $('#identity').hidden = !me;
  $('#create-room button').toggleAttribute('disabled', !me);
  if (me) {
    const item = stamp('#person-template');
    portray(item, me);
    $('.name', item).textContent = me.name;
    $('#me').replaceChildren(...item.children);
    $('#me').style.cssText = item.style.cssText;
  }
  showLobby();
  showWhere();
}

onSubmit($('#sign-in'), async (chosen) => {
  become(await ask('POST', '/session', chosen));
  realtime.reconnect();
});
onSubmit($('#create-room'), async (wanted) => enter(await ask('POST', '/rooms', wanted)));
$('#sign-out').addEventListener('click', async () => {
  await ask('DELETE', '/session');
  become(null);
  realtime.reconnect();
  $('#name').focus();
});

await whoAmI();
if (me) for (const name of JSON.parse(sessionStorage.getItem('rooms') ?? '[]')) enter(name);
