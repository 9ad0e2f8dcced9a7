package simulate

// buyer is an invented person. Events must not keep what is here.
type buyer struct{ first, last, email, phone string }

func (s *script) anyBuyer() buyer {
	switch s.rand.IntN(5) {
	case 0:
		return buyer{"Ada", "Byron", "ada.byron@example.com", "371-20000000"}
	case 1:
		return buyer{"Jānis", "Bērziņš", "janis@example.org", "+371 20000001"}
	case 2:
		return buyer{"Zoë", "O'Neill", "zoe+shop@example.net", "353-1-5550100"}
	case 3:
		return buyer{"Linus", "Sørensen", "ls@example.dk", "+45 20 00 00 02"}
	}
	return buyer{"Chiara", "D'Angelo", "chiara@example.it", "+39 06 5550 0103"}
}
