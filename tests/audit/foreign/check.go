// Checks with the code of Go's checksum database (golang.org/x/mod/sumdb) what this log has made. One JSON object in
// each line of the input; for each a line, "accept" or "refuse" and why.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Kind    string            // note, inclusion, consistency or tiles
	Note    string            // a signed checkpoint
	Keys    []string          // verifier keys that all have to have signed it
	Index   int64             // of the record
	Record  []byte            // its bytes
	Proof   [][]byte          // hashes
	OldNote string            // an earlier checkpoint
	Tiles   map[string][]byte // "level/index/width"
}

type tree struct {
	size int64
	root tlog.Hash
}

// cosigner verifies c2sp.org/tlog-cosignature, Ed25519: the library leaves other kinds of signatures to its caller.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(message, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	moment := binary.BigEndian.Uint64(signature)
	told := fmt.Sprintf("cosignature/v1\ntime %d\n%s", moment, message)
	return ed25519.Verify(c.key, []byte(told), signature[8:])
}

func verifier(vkey string) (note.Verifier, error) {
	if v, err := note.NewVerifier(vkey); err == nil {
		return v, nil
	}
	words := strings.SplitN(vkey, "+", 3)
	if len(words) != 3 {
		return nil, errors.New("no verifier key")
	}
	key, err := base64.StdEncoding.DecodeString(words[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("no key of an unknown kind")
	}
	sum := sha256.Sum256(append([]byte(words[0]+"\n"), key...))
	hash := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", hash) != words[1] {
		return nil, errors.New("the id of a key is wrong")
	}
	return cosigner{words[0], hash, key[1:]}, nil
}

func open(text string, vkeys []string) (tree, error) {
	var verifiers []note.Verifier
	for _, vkey := range vkeys {
		v, err := verifier(vkey)
		if err != nil {
			return tree{}, err
		}
		verifiers = append(verifiers, v)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifiers...))
	if err != nil {
		return tree{}, err
	}
	if len(opened.Sigs) != len(vkeys) {
		return tree{}, fmt.Errorf("%d of %d keys have signed", len(opened.Sigs), len(vkeys))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tree{}, errors.New("no checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tree{size, root}, err
}

func hashes(proof [][]byte) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, one := range proof {
		if len(one) != tlog.HashSize {
			return nil, errors.New("no hash")
		}
		var hash tlog.Hash
		copy(hash[:], one)
		found = append(found, hash)
	}
	return found, nil
}

// tileReader hands out the tiles of the question.
type tileReader map[string][]byte

func (tileReader) Height() int                         { return 8 }
func (tileReader) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, ok := r[fmt.Sprintf("%d/%d/%d", tile.L, tile.N, tile.W)]
		if !ok {
			return nil, fmt.Errorf("no tile %v", tile)
		}
		found = append(found, data)
	}
	return found, nil
}

func check(q question) error {
	now, err := open(q.Note, q.Keys)
	if err != nil {
		return err
	}
	proof, err := hashes(q.Proof)
	if err != nil {
		return err
	}
	switch q.Kind {
	case "note":
		return nil
	case "inclusion":
		return tlog.CheckRecord(proof, now.size, now.root, q.Index, tlog.RecordHash(q.Record))
	case "consistency":
		old, err := open(q.OldNote, q.Keys)
		if err != nil {
			return err
		}
		return tlog.CheckTree(proof, now.size, now.root, old.size, old.root)
	case "tiles":
		reader := tlog.TileHashReader(tlog.Tree{N: now.size, Hash: now.root}, tileReader(q.Tiles))
		made, err := tlog.ProveRecord(now.size, q.Index, reader)
		if err != nil {
			return err
		}
		for i, hash := range made {
			if len(made) != len(q.Proof) || !bytes.Equal(hash[:], q.Proof[i]) {
				return errors.New("another proof than ours")
			}
		}
		return tlog.CheckRecord(made, now.size, now.root, q.Index, tlog.RecordHash(q.Record))
	}
	return errors.New("an unknown question")
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var q question
		err := json.Unmarshal(lines.Bytes(), &q)
		if err == nil {
			err = check(q)
		}
		if err != nil {
			fmt.Println("refuse", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("accept")
		}
	}
}
