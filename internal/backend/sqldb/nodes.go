package sqldb

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"fmt"

	"star97/internal/sqlkit"
)

// agree makes sure that the pepper file is the one of the other nodes: a code that one
// of them has made must be right at all. The key for new codes is made known. An embedded database has no other nodes.
func (s *Store) agree(ctx context.Context, p *pepper) error {
	if s.db.Dialect() == sqlkit.SQLite {
		return nil
	}
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := s.db.Alone(ctx, tx, "pepper"); err != nil {
			return err
		}
		known, err := proofs(ctx, tx)
		if err != nil {
			return err
		}
		for kid, proof := range known {
			key := p.keys[kid]
			if key == nil {
				return s.lacks(p, kid)
			}
			if !hmac.Equal(proof, proofOf(key, kid)) {
				return fmt.Errorf("%s has another key %s than the other nodes of the database %s: copy it from one of them", p.title, kid, s.db.Path())
			}
		}
		if known[p.last] != nil {
			return nil
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO pepper (kid, proof) VALUES ($1, $2)", p.last, proofOf(p.keys[p.last], p.last))
		return err
	})
}

// proofOf is an HMAC that no code's can be: mix begins with the length of an id.
func proofOf(key []byte, kid string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("star97 pepper key " + kid))
	return mac.Sum(nil)
}

func proofs(ctx context.Context, tx *sql.Tx) (map[string][]byte, error) {
	rows, err := tx.QueryContext(ctx, "SELECT kid, proof FROM pepper")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string][]byte{}
	for rows.Next() {
		var kid string
		var proof []byte
		if err := rows.Scan(&kid, &proof); err != nil {
			return nil, err
		}
		known[kid] = proof
	}
	return known, rows.Err()
}
