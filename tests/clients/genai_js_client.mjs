// @google/genai: holds the conversation of client_conversation.py, told in JSON on stdin, and says
// in JSON on stdout what it saw. Trusts the emulator through NODE_EXTRA_CA_CERTS.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { GoogleGenAI, Modality } from "@google/genai";

const told = JSON.parse(readFileSync(0, "utf8"));
const ai = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: told.base_url } });
const version = readFileSync(
  createRequire(import.meta.url).resolve("@google/genai").replace(/\/dist\/.*/, "/package.json"),
  "utf8",
);
const seen = { client: "@google/genai", version: JSON.parse(version).version };
let handle;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class Conversation {
  constructor() {
    this.waiting = [];
    this.arrived = [];
    this.sounding = () => {};
  }

  async open() {
    this.session = await ai.live.connect({
      model: told.model,
      config: {
        responseModalities: [Modality.AUDIO],
        inputAudioTranscription: {},
        outputAudioTranscription: {},
        sessionResumption: handle ? { handle } : {},
        tools: [{ functionDeclarations: [told.tool] }],
      },
      callbacks: {
        onmessage: (message) => this.take(message),
        onerror: (error) => this.take({ failed: error.message }),
        onclose: (event) => this.take({ failed: `${event.code} ${event.reason}` }),
      },
    });
  }

  take(message) {
    const next = this.waiting.shift();
    if (next) next(message);
    else this.arrived.push(message);
  }

  next() {
    if (this.arrived.length) return Promise.resolve(this.arrived.shift());
    return new Promise((done) => this.waiting.push(done));
  }

  async speak(data) {
    const sound = Buffer.from(data, "base64");
    for (let start = 0; start < sound.length; start += 640) {
      this.session.sendRealtimeInput({
        audio: { data: sound.subarray(start, start + 640).toString("base64"), mimeType: "audio/pcm;rate=16000" },
      });
      await sleep(20);
    }
  }

  async turn() {
    const turn = { words: "", audio: 0, heard: "", interrupted: false, calls: [] };
    for (;;) {
      const message = await this.next();
      if (message.failed) throw new Error(message.failed);
      if (message.sessionResumptionUpdate?.newHandle) {
        handle = message.sessionResumptionUpdate.newHandle;
      }
      for (const call of message.toolCall?.functionCalls ?? []) {
        turn.calls.push({ name: call.name, args: call.args });
        this.session.sendToolResponse({
          functionResponses: [{ id: call.id, name: call.name, response: told.result }],
        });
      }
      const content = message.serverContent ?? {};
      turn.heard += content.inputTranscription?.text ?? "";
      turn.words += content.outputTranscription?.text ?? "";
      for (const part of content.modelTurn?.parts ?? []) {
        if (part.inlineData) {
          turn.audio += Buffer.from(part.inlineData.data, "base64").length;
          this.sounding();
        }
      }
      turn.interrupted ||= content.interrupted ?? false;
      if (content.turnComplete) return turn;
    }
  }
}

const first = new Conversation();
await first.open();
first.session.sendRealtimeInput({ text: told.hello });
seen.text = await first.turn();
const sounding = new Promise((done) => (first.sounding = done));
await first.speak(told.question);
const barging = sounding.then(() => sleep(300)).then(() => first.speak(told.barge_in));
seen.spoken = await first.turn();
await barging;
seen.after = await first.turn();
first.session.sendRealtimeInput({ text: told.weather });
seen.tool = await first.turn();
while (!seen.tool.words) {
  const later = await first.turn();
  seen.tool.words = later.words;
  seen.tool.audio = later.audio;
}
first.session.close();
await sleep(300);
const second = new Conversation();
await second.open();
second.session.sendRealtimeInput({ text: told.again });
seen.resumed = await second.turn();
process.stdout.write(JSON.stringify(seen));
process.exit(0);
