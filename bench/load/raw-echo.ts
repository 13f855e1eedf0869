/** The baseline: the least a uWebSockets.js server can do, an echo on one thread. Prints its port. */
import uWS, { type us_listen_socket } from 'uWebSockets.js';

uWS
  .App()
  .ws('/ws', { message: (socket, message, binary) => void socket.send(message, binary) })
  .listen('127.0.0.1', 0, (socket: us_listen_socket | false) => {
    if (socket) console.log(uWS.us_socket_local_port(socket));
  });
