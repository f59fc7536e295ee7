import { play } from "./play.js";

console.log(JSON.stringify(await play(process.env.URL, process.env.TOKEN)));
