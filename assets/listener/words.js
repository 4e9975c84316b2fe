// Words of the listener page and the invitation page, in the languages that they speak.

const words = {
  en: {
    waiting: 'Waiting', live: 'Live', ended: 'Ended', missing: 'No such room', loading: 'Connecting', offline: 'Connecting',
    untitled: (room) => room, performing: 'Performing',
    play: 'Listen live', pause: 'Stop listening', arm: 'Play as soon as it starts', disarm: 'Do not start by itself',
    mute: 'Mute', unmute: 'Unmute', volume: 'Volume', percent: (n) => `${n} %`,
    sayLoading: 'Looking for the room…',
    sayWaiting: 'The performance has not started yet.', sayWaitingHint: 'Press the bell, and it plays as soon as it starts.',
    sayArmed: 'It will play as soon as it starts. Keep this page open.',
    sayReady: 'Press play to listen.', sayStarting: 'Tuning in…', sayPlaying: 'You are listening live.',
    sayReconnecting: 'The connection is interrupted. Reconnecting…',
    sayEnded: 'The performance has ended. Thank you for listening.',
    sayMissing: 'There is no room with this name. Check the link with whoever sent it.',
    sayOffline: 'The server does not answer. Trying again…',
    sayBlocked: 'The browser asks for one more press on play.',
    sayUnable: 'This browser cannot play the broadcast. Please open the link in a current browser.',
    behind: (s) => `about ${s} s behind the performers`,
    minutes: (m) => (m < 1 ? 'just started' : m < 60 ? `for ${m} min` : `for ${Math.floor(m / 60)} h ${m % 60} min`),
    foot: 'Played together over the internet with Gasso',
    joinTitle: 'You are invited to perform', joinRoom: 'Room',
    joinLead: 'This link opens in the Gasso app, where you play or talk together with the others.',
    joinSteps: ['Copy the whole link.', 'Open the Gasso app on your computer.', 'Paste the link on its first screen, check your microphone, and join.'],
    joinCopy: 'Copy the link', joinCopied: 'Copied', joinCopyFailed: 'Copying was refused. Select the link above and copy it by hand.',
    joinSecret: 'The link is your key to the room: whoever has it can join in your place. Its secret part stays in this browser and is not sent to the server by this page.',
    joinBroken: 'The end of this link is missing, so it cannot open the room. Ask the host to send the whole link again.',
    joinListen: 'Only here to listen?', joinListenLink: 'Open the listener page', joinLink: 'Your invitation link',
  },
  ja: {
    waiting: '配信前', live: '配信中', ended: '配信終了', missing: 'ルームなし', loading: '接続中', offline: '接続中',
    untitled: (room) => room, performing: '出演者',
    play: 'ライブを聴く', pause: '聴くのをやめる', arm: '始まったら自動で再生する', disarm: '自動再生をやめる',
    mute: 'ミュート', unmute: 'ミュートを解除', volume: '音量', percent: (n) => `${n}%`,
    sayLoading: 'ルームを探しています…',
    sayWaiting: '演奏はまだ始まっていません。', sayWaitingHint: 'ベルを押しておくと、始まったら自動で再生します。',
    sayArmed: '始まったら自動で再生します。このページを開いたままお待ちください。',
    sayReady: '再生ボタンを押すと聴けます。', sayStarting: '接続しています…', sayPlaying: 'ライブを再生しています。',
    sayReconnecting: '接続が途切れました。つなぎ直しています…',
    sayEnded: '演奏は終了しました。お聴きいただき、ありがとうございました。',
    sayMissing: 'この名前のルームはありません。リンクを送ってくれた方にご確認ください。',
    sayOffline: 'サーバーが応答しません。もう一度試しています…',
    sayBlocked: 'ブラウザーが再生を止めました。もう一度再生ボタンを押してください。',
    sayUnable: 'このブラウザーでは配信を再生できません。最新のブラウザーでリンクを開いてください。',
    behind: (s) => `出演者の音から約 ${s} 秒遅れ`,
    minutes: (m) => (m < 1 ? '始まったばかり' : m < 60 ? `${m} 分経過` : `${Math.floor(m / 60)} 時間 ${m % 60} 分経過`),
    foot: 'Gasso（合奏）で、離れた場所からいっしょに演奏しています',
    joinTitle: '出演への招待が届いています', joinRoom: 'ルーム',
    joinLead: 'このリンクは Gasso アプリで開きます。離れた場所にいる仲間と、いっしょに演奏や会話ができます。',
    joinSteps: ['リンク全体をコピーします。', 'パソコンで Gasso アプリを開きます。', '最初の画面にリンクを貼り付け、マイクのレベルを確かめて参加します。'],
    joinCopy: 'リンクをコピー', joinCopied: 'コピーしました', joinCopyFailed: 'コピーできませんでした。上のリンクを選択してコピーしてください。',
    joinSecret: 'このリンクはルームの鍵です。リンクを持っている人は、誰でもあなたの代わりに参加できます。リンクの秘密の部分はこのブラウザーの中だけにあり、このページからサーバーへは送られません。',
    joinBroken: 'リンクの終わりが欠けているため、ルームを開けません。リンク全体をもう一度送ってもらってください。',
    joinListen: '聴くだけの方は', joinListenLink: 'リスナー用ページを開く', joinLink: '招待リンク',
  },
};

const kept = 'gasso-language';

// remember reads or writes a small setting; a browser without storage forgets it.
export function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch { /* private window */ }
  return value ?? null;
}

// language is 'ja' or 'en': what was chosen here, else what the browser asks for.
function language() {
  const chosen = remember(kept);
  const spoken = Object.keys(words);
  if (spoken.includes(chosen)) return chosen;
  const wanted = (navigator.languages ?? [navigator.language]).map((l) => l.slice(0, 2).toLowerCase());
  return wanted.find((l) => spoken.includes(l)) ?? 'en';
}

// offerLanguages wires the language switch and calls changed with the words now and at each switch.
export function offerLanguages(changed) {
  const buttons = document.querySelectorAll('[data-language]');
  const use = (l) => {
    document.documentElement.lang = l;
    for (const b of buttons) b.setAttribute('aria-pressed', String(b.dataset.language === l));
    changed(words[l]);
  };
  for (const b of buttons) {
    b.addEventListener('click', () => { remember(kept, b.dataset.language); use(b.dataset.language); });
  }
  use(language());
}
