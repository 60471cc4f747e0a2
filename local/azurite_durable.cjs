// Loaded into Azurite before its own code (`node --require`): what it has acknowledged survives a SIGKILL, as in Azure.
//
// Azurite keeps its lists of blobs and files in memory and writes each as a whole to disk every five seconds. Killed in between, it
// forgets blobs that it has confirmed, which Blob Storage never does. So each change of a list is appended to a journal beside it,
// in the moment in which it is made, before anything is answered: this costs the same however many blobs there are. A start reads
// the list and makes the changes of its journal again; a list that has been written drops the changes before it from its journal.
"use strict";

const fs = require("node:fs");
const Loki = require("lokijs");

const journals = new Map(); // database: its journal, from the first time on that it is saved; Azurite saves it when it opens it

class Journal {
  constructor(database) {
    this.path = journalPath(database);
    this.file = undefined;
    this.sinceSave = []; // lines that the list on disk may lack once the save under way has ended
    this.saving = false;
  }

  add(line) {
    if (this.file !== undefined) fs.writeSync(this.file, line);
    if (this.saving) this.sinceSave.push(line);
  }

  saveBegins() {
    this.saving = true;
    this.sinceSave = [];
  }

  saveEnds(error) {
    this.saving = false;
    if (error) return; // the journal still has everything that the old list lacks
    fs.writeFileSync(`${this.path}.part`, this.sinceSave.join(""));
    fs.renameSync(`${this.path}.part`, this.path);
    if (this.file !== undefined) fs.closeSync(this.file);
    this.file = fs.openSync(this.path, "a");
  }
}

function journalPath(database) {
  return `${database.filename}.journal`;
}

// What has become of a document: its content, or `null` when it is removed.
function note(collection, id, content) {
  for (const [database, journal] of journals) {
    if (database.collections.includes(collection)) journal.add(`${JSON.stringify([collection.name, id, content])}\n`);
  }
}

const { insertOne, update, remove, removeBatchByPositions } = Loki.Collection.prototype;

Loki.Collection.prototype.insertOne = function (content, ...others) {
  const inserted = insertOne.call(this, content, ...others);
  if (inserted) note(this, inserted.$loki, inserted);
  return inserted;
};

Loki.Collection.prototype.update = function (content) {
  const updated = update.call(this, content); // of several, it calls itself for each
  if (!Array.isArray(content)) note(this, content.$loki, content);
  return updated;
};

Loki.Collection.prototype.remove = function (which) {
  const id = typeof which === "object" ? which.$loki : which; // which is taken from it
  const removed = remove.call(this, which);
  if (!Array.isArray(which)) note(this, id, null); // of several, the function below is called
  return removed;
};

Loki.Collection.prototype.removeBatchByPositions = function (positions) {
  if (positions.length === 0) return; // Loki would sort all its indexes again
  const ids = positions.map((position) => this.data[position].$loki);
  removeBatchByPositions.call(this, positions);
  for (const id of ids) note(this, id, null);
};

const { saveDatabaseInternal, loadDatabase } = Loki.prototype;

// It takes the list as it is when it is called, and writes it afterwards; never twice at once.
Loki.prototype.saveDatabaseInternal = function (callback) {
  if (!journals.has(this)) journals.set(this, new Journal(this));
  const journal = journals.get(this);
  journal.saveBegins();
  saveDatabaseInternal.call(this, (error) => {
    journal.saveEnds(error);
    callback(error);
  });
};

Loki.prototype.loadDatabase = function (options, callback) {
  loadDatabase.call(this, options, (error) => {
    if (!error) replay(this);
    callback(error);
  });
};

// The list may have the first of the journal's changes already: made again in order, they come to the same.
function replay(database) {
  const path = journalPath(database);
  if (!fs.existsSync(path)) return;
  const lines = fs.readFileSync(path, "utf8").split("\n");
  lines.pop(); // behind the last line end: nothing, or a change that a kill has cut short, and that was not answered
  for (const line of lines) apply(database, ...JSON.parse(line));
}

function apply(database, name, id, content) {
  const collection = database.getCollection(name);
  const known = collection.get(id);
  if (content === null) {
    if (known) collection.remove(known);
  } else if (known) {
    collection.update(content);
  } else if (id > collection.maxId) {
    collection.maxId = id - 1; // so that it gets this id again
    insertOne.call(collection, { ...content, $loki: undefined });
  } // else it was removed before the list was written
}
