// Loaded into Azurite before its own code (`node --require`): what it has acknowledged survives a SIGKILL, as in Azure.
//
// Azurite keeps the list of blobs in memory and writes it to disk every five seconds. Killed in between, it forgets blobs that it
// has confirmed, which Blob Storage never does. So the answer to a request that changes something waits until the list is on disk.
"use strict";

const { ServerResponse } = require("node:http");
const Loki = require("lokijs");

const databases = new Set();
const save = Loki.prototype.saveDatabase;

Loki.prototype.saveDatabase = function (callback) {
  databases.add(this); // Azurite saves each of its databases when it opens it
  return save.call(this, callback);
};

// The list of files before the list of blobs that refer to them.
function allSaved() {
  const filesFirst = [...databases].sort((a, b) => b.filename.includes("extent") - a.filename.includes("extent"));
  return filesFirst.reduce((before, database) => before.then(() => saved(database)), Promise.resolve());
}

function saved(database) {
  // A save under way may have been started before our change: then another one follows, and is the one to wait for.
  if (!database.autosaveDirty() && !database.throttledSavePending) return undefined;
  return new Promise((resolve, reject) => database.saveDatabase((error) => (error ? reject(error) : resolve())));
}

const end = ServerResponse.prototype.end;

ServerResponse.prototype.end = function (...content) {
  if (this.req.method === "GET" || this.req.method === "HEAD") return end.apply(this, content);
  allSaved().then(
    () => end.apply(this, content),
    (error) => this.destroy(error), // a dropped connection: the client tries again
  );
  return this;
};
