/**
 * Texts of the kinds that conversations are made of, for measuring the token estimate. The paragraphs were written for
 * this; code, prose and JSON are the repository's own. None of it was used to fit the weights.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
/** Bytes that look random and are the same each time. */
const noise = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: Math.ceil(count / 32) }, (_, i) => createHash('sha256').update(`${i}`).digest()));

export const CORPUS: Readonly<Record<string, string>> = {
  'English prose': read('docs/durability.md').slice(0, 12_000),
  'English chat':
    "Hey, could you look at the invoice from last week? I think they've charged us twice for the hotel in Lisbon. If so, " +
    "write them a short, friendly note, but don't promise anything yet; I'd like to see it before it goes out. Also, what " +
    'was the name of that café near the station, the one with the blue door? My sister is coming on Thursday and I want ' +
    'to book a table for three around half past seven. Oh, and remind me to call the dentist tomorrow morning. Thanks!',
  TypeScript: read('src/agent/loop.ts'),
  JSON: JSON.stringify(JSON.parse(read('config/dhaavak.schema.json')), null, 2).slice(0, 12_000),
  'JSON without spaces': JSON.stringify(JSON.parse(read('docs/protocol.schema.json'))).slice(0, 12_000),
  log: Array.from(
    { length: 60 },
    (_, i) =>
      `2026-11-25T06:${10 + (i % 50)}:0${i % 10}.${100 + i}Z INFO [shard-${i % 4}] session=agent:main:dm:api:user-${i * 37} ` +
      `run=01KAX${(i * 7_919).toString(36).toUpperCase()} took ${i * 13} ms, status=ok, 10.0.${i}.17:443`,
  ).join('\n'),
  hexadecimal: noise(2_000).toString('hex'),
  base64: noise(2_000).toString('base64'),
  German:
    'Gestern Abend haben wir endlich die Unterlagen für die Wohnungsübergabe zusammengestellt. Der Vermieter möchte, dass ' +
    'alle Schlüssel bis spätestens Freitagmittag abgegeben werden, und er besteht auf einem ausführlichen Protokoll. ' +
    'Könntest du bitte prüfen, ob die Kündigungsfrist richtig berechnet wurde? Außerdem brauche ich eine höfliche Antwort ' +
    'an die Hausverwaltung, in der wir um die Rückzahlung der Kaution innerhalb von vier Wochen bitten.',
  French:
    "Bonjour, j'aimerais organiser un petit voyage à Lyon pour le week-end prochain. Nous serons quatre personnes, dont deux " +
    'enfants, et nous préférons prendre le train plutôt que la voiture. Pourrais-tu vérifier les horaires du vendredi soir, ' +
    "comparer les prix et me proposer trois hôtels près de la gare ? Il faudrait aussi réserver un restaurant où l'on mange " +
    'bien sans se ruiner. Merci beaucoup pour ton aide, et bonne soirée.',
  Spanish:
    'Necesito que revises el contrato antes de la reunión del martes. Me preocupa sobre todo la cláusula sobre los plazos de ' +
    'entrega, porque el proveedor ya se retrasó dos veces este año. Si encuentras algo extraño, márcalo y explícame con ' +
    'palabras sencillas qué significa. También quiero saber cuánto tendríamos que pagar si decidimos cancelar el pedido.',
  Russian:
    'Вчера вечером мы наконец собрали все документы для переезда. Хозяин квартиры просит вернуть ключи не позднее пятницы и ' +
    'настаивает на подробном акте. Проверь, пожалуйста, правильно ли посчитан срок расторжения договора, и напиши вежливый ' +
    'ответ управляющей компании. Ещё мне нужно знать, сколько времени занимает возврат залога и какие бумаги для этого нужны.',
  Hindi:
    'कल शाम हम सब लोग पुराने बाज़ार गए थे और वहाँ से घर के लिए कुछ सामान खरीदा। मेरी बहन गुरुवार को आ रही है, इसलिए मैं चाहता हूँ कि ' +
    'तुम सात बजे के आसपास तीन लोगों के लिए एक मेज़ बुक कर दो। अगर जगह न मिले तो मुझे बता देना, मैं किसी और जगह फ़ोन कर लूँगा। ' +
    'और हाँ, डॉक्टर को फ़ोन करने की याद भी दिला देना।',
  Arabic:
    'مساء الخير، أريد أن أنظم رحلة قصيرة إلى الإسكندرية في نهاية الأسبوع القادم. سنكون أربعة أشخاص ونفضل السفر بالقطار بدلا من ' +
    'السيارة. هل يمكنك أن تراجع مواعيد القطارات مساء الخميس وتقارن الأسعار وتقترح ثلاثة فنادق قريبة من المحطة؟ شكرا جزيلا لك.',
  Chinese:
    '昨天晚上我们终于把搬家需要的文件都整理好了。房东希望最晚星期五中午之前把所有的钥匙交还，并且坚持要写一份详细的交接记录。' +
    '请你帮我检查一下退租的日期算得对不对，再给物业公司写一封礼貌的回信，请他们在四个星期之内退还押金。另外，星期四我妹妹要来，' +
    '麻烦你在车站附近订一家餐厅，三个人，七点半左右。',
  Japanese:
    '昨日の夜、ようやく引っ越しに必要な書類をすべてまとめました。大家さんは金曜日の正午までに鍵を全部返してほしいと言っていて、' +
    '詳しい引き渡しの記録も必要だそうです。解約の期限が正しく計算されているか確認して、管理会社に丁寧な返事を書いてもらえますか。' +
    'それから、木曜日に妹が来るので、駅の近くのレストランを三人で予約してください。',
  Korean:
    '어제 저녁에 드디어 이사에 필요한 서류를 모두 정리했습니다. 집주인은 늦어도 금요일 정오까지 열쇠를 모두 돌려 달라고 하고, 자세한 ' +
    '인수인계 기록도 남기자고 합니다. 해지 기간이 제대로 계산되었는지 확인해 주시고, 관리 회사에 정중한 답장을 써 주세요. 그리고 목요일에 ' +
    '여동생이 오니까 역 근처 식당을 세 명으로 예약해 주세요.',
  emoji: '🎉 Happy birthday!! 🥳🥳 See you at 8 👋😀 — bring 🍕 and 🍷, the 👨‍👩‍👧 will be there too ❤️🔥 '.repeat(6),
};
