// What Portkey's gateway needs to be measured here, loaded before it; its own files stay as they were published.
import net from "node:net";

// It writes into the headers of a provider's answer, which Node does not allow: it gets an answer of its own.
const ask = globalThis.fetch;
globalThis.fetch = async (...question) => {
  const answer = await ask(...question);
  return new Response(answer.body, answer);
};

// It would listen on every address of the machine.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, _host, ...rest) {
  return listen.call(this, port, "127.0.0.1", ...rest);
};
