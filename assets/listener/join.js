// The page behind an invitation: the link is for the app, so it explains and copies. The token is in
// the fragment, which a browser never sends; nothing here sends it either.
import { offerLanguages } from '/assets/words.js';

const el = (id) => document.getElementById(id);
const roomID = decodeURIComponent(location.pathname.split('/')[2] ?? '');
const whole = location.hash.length > 1;

let say;
let outcome = whole ? '' : 'joinBroken'; // which sentence stands under the link

function show() {
  document.title = `${say.joinTitle} · Gasso`;
  el('room').textContent = `${say.joinRoom}: ${roomID}`;
  el('title').textContent = say.joinTitle;
  el('lead').textContent = say.joinLead;
  el('link').setAttribute('aria-label', say.joinLink);
  el('copy').textContent = outcome === 'joinCopied' ? say.joinCopied : say.joinCopy;
  el('copied').textContent = outcome && outcome !== 'joinCopied' ? say[outcome] : '';
  el('steps').replaceChildren(...say.joinSteps.map((text) => Object.assign(document.createElement('li'), { textContent: text })));
  el('secret').textContent = say.joinSecret;
  el('listen').textContent = say.joinListen;
  el('listen-link').textContent = say.joinListenLink;
}

// copy puts the whole link on the clipboard; plain HTTP pages have only the old way.
async function copy() {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(location.href);
    } else {
      el('link').select();
      if (!document.execCommand('copy')) throw new Error('refused');
    }
    outcome = 'joinCopied';
  } catch {
    el('link').select();
    outcome = 'joinCopyFailed';
  }
  show();
}

el('link').value = location.href;
el('copy').disabled = !whole;
document.body.toggleAttribute('data-broken', !whole);
el('listen-link').href = `/room/${encodeURIComponent(roomID)}`;
el('copy').addEventListener('click', copy);
addEventListener('hashchange', () => location.reload()); // another invitation for the same room
offerLanguages((words) => { say = words; show(); });
