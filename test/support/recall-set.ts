/**
 * The question set of the memory's search: what people have told their agent, and questions of which each has one entry that
 * answers it. Made here, from a seed, without any model. Four kinds of questions:
 *
 * - `meaning`: the facts of `recall-facts.ts`, asked for in other words;
 * - `exact`: entries full of names, ids and numbers, of which many differ in those only;
 * - `both`: things that several people of a group have told alike, asked for with the name of one;
 * - `foreign`: a few in other languages, asked for in other forms of the same words.
 *
 * The rest of the entries is talk about the same subjects that answers nothing.
 */
import { seeded } from './random.ts';
import { FACTS, TOLD } from './recall-facts.ts';

export type QuestionKind = 'meaning' | 'exact' | 'both' | 'foreign';

export interface RecallQuestion {
  kind: QuestionKind;
  text: string;
  /** Index of the entry that answers it. */
  answer: number;
}

export interface RecallSet {
  entries: string[];
  questions: RecallQuestion[];
}

/** Entries of each form with a key; most are only there to be mistaken for the others. */
const PER_FORM = 300;
const ASKED_PER_FORM = 10;
/** People of a group. Each has told some of the things of `TOLD`, and what one has told five others have told too. */
const PEOPLE = 30;
const TOLD_EACH = 8;
const ASKED_EACH = 2;

type Next = (below: number) => number;

export function recallSet(seed = 7): RecallSet {
  const next = seeded(seed);
  const said: { text: string; kind?: QuestionKind; asked?: string }[] = [
    ...FACTS.map(([text, asked]) => ({ text, kind: 'meaning' as const, asked })),
    ...FOREIGN.map(([text, asked]) => ({ text, kind: 'foreign' as const, asked })),
    ...keyed(next),
    ...told(next),
    ...TALK.flatMap((frame) => TOPICS.map((topic) => ({ text: frame.replace('…', topic) }))),
  ];
  for (let i = said.length - 1; i > 0; i--) {
    const j = next(i + 1);
    [said[i], said[j]] = [said[j]!, said[i]!];
  }
  return {
    entries: said.map(({ text }) => text),
    questions: said.flatMap(({ kind, asked }, answer) => (kind && asked ? [{ kind, text: asked, answer }] : [])),
  };
}

/** Each form takes a key that no other entry has, and makes of it what is said and what is asked. */
const FORMS: readonly ((next: Next) => readonly [said: string, asked: string])[] = [
  (next) => {
    const id = `INV-${digits(next, 5)}`;
    return [`Invoice ${id} from ${company(next)} over ${20 + next(900)} euros is due soon`, `has ${id} been paid`];
  },
  (next) => {
    const id = digits(next, 6);
    return [`Ticket ${id}: ${name(next)} cannot open the reports on the server`, `what was ticket ${id} about`];
  },
  (next) => {
    const who = name(next);
    return [`${who} lives at ${1 + next(90)} ${surname(next)} Street, ring twice`, `address of ${who}`];
  },
  (next) => {
    const id = `${letters(next, 2)}${digits(next, 9)}`;
    return [`Parcel ${id} goes to ${surname(next)} by express`, `where is ${id}`];
  },
  (next) => {
    const who = name(next);
    return [`Call ${who} back under 0${digits(next, 3)} ${digits(next, 6)}`, `phone number of ${who}`];
  },
  (next) => {
    const id = `${letters(next, 2)} ${digits(next, 4)}`;
    return [`Flight ${id} to ${surname(next)} leaves from gate ${1 + next(60)}`, `which gate for ${id}`];
  },
  (next) => {
    const id = `fix-${surname(next).toLowerCase()}-${digits(next, 3)}`;
    return [`Branch ${id} breaks the build on ${surname(next).toLowerCase()}`, `state of ${id}`];
  },
  (next) => {
    const who = surname(next);
    return [`Doctor ${who} can see me on the ${1 + next(28)}th at ${8 + next(10)}:15`, `appointment with ${who}`];
  },
  (next) => {
    const who = company(next);
    return [`${who} wants ${2 + next(40)} licences of the large package`, `how many licences does ${who} want`];
  },
  (next) => {
    const key = `${letters(next, 3)}-${digits(next, 4)}-${letters(next, 2)}`;
    return [`The serial number of the ${DEVICES[next(DEVICES.length)]} is ${key}`, `device with serial ${key}`];
  },
  (next) => {
    const host = `db-${surname(next).toLowerCase()}.example.org`;
    return [`Host ${host} has ${1 + next(30)} GB of disk left`, `disk space on ${host}`];
  },
  (next) => {
    const who = name(next);
    return [`${who} is at table ${1 + next(40)} with the guests of the bride`, `which table is ${who} at`];
  },
];

function* keyed(next: Next): Generator<{ text: string; kind?: QuestionKind; asked?: string }> {
  const seen = new Set<string>();
  for (const form of FORMS) {
    for (let i = 0; i < PER_FORM; ) {
      const [text, asked] = form(next);
      if (seen.has(text)) continue;
      seen.add(text);
      yield i < ASKED_PER_FORM ? { text, kind: 'exact', asked } : { text };
      i += 1;
    }
  }
}

function* told(next: Next): Generator<{ text: string; kind?: QuestionKind; asked?: string }> {
  for (let person = 0; person < PEOPLE; person++) {
    const who = name(next);
    for (let i = 0; i < TOLD_EACH; i++) {
      // Eleven and forty have no common factor: no two people have told all the same.
      const [text, asked] = TOLD[(person * 11 + i * 3) % TOLD.length]!;
      const entry = { text: `${who}: ${text}` };
      yield i < ASKED_EACH ? { ...entry, kind: 'both', asked: `${who}, ${asked}` } : entry;
    }
  }
}

const FIRST_NAMES = ['Ada', 'Ben', 'Carla', 'David', 'Elif', 'Farid', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Kim', 'Lara'];
const SYLLABLES = [
  'ba',
  'ko',
  'ri',
  'men',
  'tal',
  'os',
  'vek',
  'lu',
  'dra',
  'shi',
  'por',
  'en',
  'gas',
  'wy',
  'qui',
  'jem',
];
const COMPANY_TYPES = ['Ltd', 'GmbH', 'Brothers', 'Logistics', 'Foods', 'Software'];
const DEVICES = ['printer', 'router', 'scanner', 'camera', 'projector', 'coffee machine'];

function digits(next: Next, count: number): string {
  return Array.from({ length: count }, (_, i) => (i === 0 ? 1 + next(9) : next(10))).join('');
}

function letters(next: Next, count: number): string {
  return Array.from({ length: count }, () => String.fromCharCode(65 + next(26))).join('');
}

function surname(next: Next): string {
  const text = Array.from({ length: 4 }, () => SYLLABLES[next(SYLLABLES.length)]).join('');
  return text[0]!.toUpperCase() + text.slice(1);
}

function name(next: Next): string {
  return `${FIRST_NAMES[next(FIRST_NAMES.length)]} ${surname(next)}`;
}

function company(next: Next): string {
  return `${surname(next)} ${COMPANY_TYPES[next(COMPANY_TYPES.length)]}`;
}

/** Talk that answers nothing: every frame with every topic. */
const TALK = [
  'Can you tell me something about …?',
  'I read a long article about … today',
  'My cousin asked me about … yesterday',
  'We talked about … at dinner',
  'I am not sure what to think about …',
  'Remind me to look into … next week',
  'There was a programme about … on the radio',
  'Nobody at the party was interested in …',
  'I used to know much more about …',
  'Let us leave … for another day',
  'A friend sent me a link about …',
  'What are the latest news on …?',
  'The children have to write an essay about …',
  'I had a strange dream about …',
];
const TOPICS = [
  'the weather',
  'cooking',
  'football',
  'politics',
  'electric cars',
  'gardening',
  'the school system',
  'hospitals',
  'house prices',
  'the stock market',
  'dogs and cats',
  'train journeys',
  'classical music',
  'the film industry',
  'photography',
  'computer security',
  'mobile phones',
  'marriage',
  'insurance',
  'taxes',
  'vegetarian food',
  'coffee and tea',
  'sleep',
  'medicine',
  'religion',
  'the navy',
  'mountains and glaciers',
  'lakes and rivers',
  'birds',
  'insects',
  'trees',
  'furniture',
  'kitchen machines',
  'bicycles',
  'museums',
  'foreign languages',
  'chess',
  'pottery',
  'trade unions',
  'banks',
  'holidays by the sea',
  'job interviews',
  'teeth',
  'babies',
  'friendship',
  'noise in the city',
  'crime',
  'restaurants',
  'running',
  'winter sports',
];

/** German, French, Spanish, Russian, Hindi and Chinese. */
const FOREIGN: readonly (readonly [said: string, asked: string])[] = [
  ['Der Zahnarzt hat mir gestern zwei Weisheitszähne gezogen', 'Was war mit den Weisheitszähnen'],
  ['Unsere Waschmaschine schleudert nicht mehr richtig', 'kaputte Waschmaschinen'],
  ['Ich habe den Mietvertrag für die neue Wohnung unterschrieben', 'Wann kam der Mietvertrag'],
  ['Meine Schwiegermutter kommt über Weihnachten zu Besuch', 'Besuch der Schwiegermutter'],
  ['Am Donnerstag ist der Kindergarten geschlossen', 'Schließtage im Kindergarten'],
  ['Der Fahrradhändler hat die Bremsen eingestellt', 'Fahrradbremsen'],
  ['Le plombier doit réparer la fuite sous le lavabo', 'qui répare les fuites'],
  ['Ma grand-mère fête ses quatre-vingt-dix ans samedi', 'la fête de grand-mère'],
  ['Nous avons réservé une chambre avec vue sur la plage', 'réservation des chambres'],
  ['Je suis allergique aux fruits de mer', 'mes allergies'],
  ['Le boulanger du coin ferme définitivement en juillet', 'fermeture de la boulangerie'],
  ['Mi hermano trabaja en una fábrica de zapatos', 'el trabajo de mi hermano'],
  ['Perdimos las maletas en el aeropuerto de Sevilla', 'la maleta perdida'],
  ['La profesora de guitarra cobra veinte euros por clase', 'clases de guitarra'],
  ['El médico me recomendó caminar todos los días', 'recomendaciones del médico'],
  ['Vamos a pintar la cocina de amarillo', 'pintura para la cocina'],
  ['Моя собака боится фейерверков', 'чего боятся собаки'],
  ['Мы купили дачу недалеко от озера', 'покупка дачи'],
  ['Врач запретил мне пить кофе', 'что запрещает врач'],
  ['Поезд в Казань отправляется в семь утра', 'поезда до Казани'],
  ['मेरी बहन की शादी दिसंबर में है', 'बहन की शादी कब है'],
  ['मुझे मसालेदार खाना पसंद नहीं है', 'मसालेदार खाने के बारे में'],
  ['我把护照忘在酒店了', '护照在哪里'],
  ['医生说我应该多喝水', '医生的建议'],
];
