// Package natsconf writes users into the configuration of a NATS server, so that suppliers can deliver over NATS
// and nobody speaks for another one.
//
// What it guarantees, of a server that has this configuration: a supplier publishes on its own two
// subjects and nowhere else, and hears nothing but what is sent to its own inbox. Passwords are written as bcrypt
// hashes.
//
// What it does not guarantee: where JetStream's answer to a publication goes is the publisher's to say, and the server
// does not check it. So a supplier can have such an answer, whose form it does not choose, sent to any subject
// of Stoker, and stored there. What reads these streams tells answers from messages: queues put them among the dead
// letters, package delivery drops them, package journal passes over them. They are no
// requests to JetStream that are obeyed.
package natsconf
