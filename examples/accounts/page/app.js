// @ts-check
// The page lets somebody sign in, lists the documents that are open to them, and shows one of them with
// the people who have it open.

/** @typedef {{ id: number, name: string }} Person */
/** @typedef {{ id: number, title: string, text: string, owner: number, members: number[] }} Listed */

const { realtime } = /** @type {any} */ (window).umbral;

/** Who is signed in. @type {Person | null} */
let me = null;
/** @type {Person[]} */
let people = [];
/** @type {Listed[]} */
let documents = [];
/** The document on the page, and who has it open. @type {{ id: number, presence: any, events: any } | null} */
let open = null;

/** @returns {any} */
const $ = (/** @type {string} */ selector, /** @type {ParentNode} */ from = document) =>
  from.querySelector(selector);

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

// People ---------------------------------------------------------------------------------

/** The colour of an id, which is the same on every screen. */
const hueOf = (/** @type {number} */ id) => (id * 137 + 20) % 360;

const initials = (/** @type {string} */ name) =>
  name.split(/\s+/).filter(Boolean).slice(0, 2).map((word) => [...word][0]).join('').toUpperCase();

/** @returns {HTMLElement} */
function portrait(/** @type {Person} */ person, /** @type {string} */ name = person.name) {
  const item = $('#person-template').content.firstElementChild.cloneNode(true);
  item.dataset.id = person.id;
  item.title = person.name;
  item.style.setProperty('--hue', hueOf(person.id));
  $('.avatar', item).textContent = initials(person.name);
  $('.name', item).textContent = name;
  return item;
}

const called = (/** @type {Person} */ person) => (person.id === me?.id ? `${person.name} (you)` : person.name);

// Signing in and out ---------------------------------------------------------------------

for (const button of document.querySelectorAll('#choices button')) {
  const { handle, id, name } = /** @type {any} */ (button).dataset;
  const face = portrait({ id: Number(id), name });
  button.append(...face.children);
  /** @type {any} */ (button).style.cssText = face.style.cssText;
  button.addEventListener('click', () => {
    $('#handle').value = handle;
    $('#password').value = 'sesame';
    for (const other of document.querySelectorAll('#choices button')) {
      other.setAttribute('aria-pressed', String(other === button));
    }
    $('#sign-in > button').focus();
  });
}

$('#sign-in').addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  $('.error', form).textContent = '';
  try {
    await become(await ask('POST', '/session', Object.fromEntries(new FormData(form))));
    form.reset();
    // All tabs of this browser share one connection, which now has a user.
    realtime.reconnect();
  } catch (problem) {
    $('.error', form).textContent = /** @type {Error} */ (problem).message;
  }
});

for (const [button, path] of [['#sign-out', '/session'], ['#sign-out-everywhere', '/sessions']]) {
  $(button).addEventListener('click', async () => {
    await ask('DELETE', path);
    await become(null);
    realtime.reconnect();
  });
}

/** Shows the page for this person, or for nobody. */
async function become(/** @type {Person | null} */ person) {
  close();
  me = person;
  document.body.dataset.me = me?.name ?? '';
  $('#door').hidden = $('#identity').hidden = true;
  if (me) {
    $('#me').replaceChildren(...portrait(me).children);
    $('#me').style.setProperty('--hue', hueOf(me.id));
    await list();
  }
  $('#door').hidden = Boolean(me);
  $('#identity').hidden = $('#desk').hidden = !me;
}

async function whoAmI() {
  await become(await ask('GET', '/session'));
}

// Documents ------------------------------------------------------------------------------

/** Asks which documents there are, and shows the one that the address names, or the first one. */
async function list() {
  ({ people, documents } = await ask('GET', '/documents'));
  const items = documents.map((listed) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = `#${listed.id}`;
    link.textContent = listed.title;
    const owner = document.createElement('small');
    owner.textContent = `by ${people.find((person) => person.id === listed.owner)?.name}`;
    link.append(owner);
    item.append(link);
    return item;
  });
  $('#documents').replaceChildren(...items);
  show();
}

/** From here on the others see that this user has the document open. */
function show() {
  const wanted = Number(location.hash.slice(1));
  const listed = documents.find(({ id }) => id === wanted)
    ?? documents.find(({ id }) => id === open?.id) ?? documents[0];
  $('#document').hidden = !listed;
  $('#nothing').hidden = Boolean(listed);
  for (const link of document.querySelectorAll('#documents a')) {
    link.toggleAttribute('aria-current', link.getAttribute('href') === `#${listed?.id}`);
  }
  if (open?.id !== listed?.id) close();
  if (!listed) return;
  $('#title').textContent = listed.title;
  $('#text').replaceChildren(...listed.text.split('\n\n').map((words) => {
    const paragraph = document.createElement('p');
    paragraph.textContent = words;
    return paragraph;
  }));
  if (!open) {
    const group = `doc:${listed.id}`;
    const presence = realtime.presence(group, {
      status: (/** @type {string} */ status) => (showOpen(), checkIdentity(status)),
      sync: showOpen, join: showOpen, leave: showOpen,
    });
    // The members of this document have changed.
    const members = (/** @type {any} */ _, /** @type {string} */ channel) => channel === group && list();
    open = { id: listed.id, presence, events: realtime.subscribe([group], { members }) };
  }
  showOpen();
}

function close() {
  open?.presence.unsubscribe();
  open?.events.unsubscribe();
  open = null;
}

/** Shows who has the document open, and who may. */
function showOpen() {
  const listed = documents.find(({ id }) => id === open?.id);
  if (!open || !listed) return;
  /** @type {{ members: Person[], status: string }} */
  const { members: here, status } = open.presence;
  $('#document').dataset.status = status;
  const others = here.filter(({ id }) => id !== me?.id).length;
  $('#status').textContent =
    status === 'denied' ? 'closed' : status !== 'live' ? status
    : others ? `You and ${others === 1 ? 'one other' : `${others} others`} have it open` : 'Only you have it open';
  $('#faces').replaceChildren(...here.map((person) => portrait(person, called(person))));
  const isOwner = listed.owner === me?.id;
  const shown = people.filter(({ id }) => isOwner || listed.members.includes(id));
  $('#members').replaceChildren(...shown.map((person) => {
    const item = portrait(person, called(person));
    const may = listed.members.includes(person.id);
    const isHere = here.some(({ id }) => id === person.id);
    item.toggleAttribute('data-here', isHere);
    item.toggleAttribute('data-outside', !may);
    const note = document.createElement('span');
    note.className = 'note';
    note.textContent =
      person.id === listed.owner ? 'owner' : !may ? 'may not open it' : isHere ? 'has it open' : 'member';
    $('.name', item).append(note);
    if (isOwner && person.id !== me?.id) item.append(decision(listed, person, may));
    return item;
  }));
}

/** The button with which an owner lets somebody in, or sends somebody out. */
function decision(/** @type {Listed} */ listed, /** @type {Person} */ person, /** @type {boolean} */ may) {
  const button = document.createElement('button');
  button.className = 'quiet';
  button.textContent = may ? 'Remove' : 'Invite';
  button.addEventListener('click', async () => {
    $('#refusal').textContent = '';
    try {
      await ask(may ? 'DELETE' : 'PUT', `/documents/${listed.id}/members/${person.id}`);
    } catch (problem) {
      $('#refusal').textContent = /** @type {Error} */ (problem).message;
    }
  });
  return button;
}

/** Asks who is signed in if that has changed in another tab, or everywhere. */
function checkIdentity(/** @type {string} */ status) {
  if (!['live', 'denied'].includes(status) || !open) return;
  if (open.presence.me !== String(me?.id)) whoAmI();
}

// This user has been let into a document, or out of one.
realtime.subscribe([], { members: () => me && list() });
addEventListener('hashchange', () => me && show());
await whoAmI();
