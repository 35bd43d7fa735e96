package flow

import "star97/internal/prompt"

// action is what a cell of the table does. A number and a switch, not a function
// value: what a function value is given could not stay on the stack.
type action uint8

// The actions. Number 0 is none; pass does nothing on purpose.
const (
	pass action = iota + 1
	greet
	keep
	loseAhead
	startTimer
	spoil
	listen
	askAfresh
	sayCleared
	askAgain
	askWhole
	signInNow
	goToMenu
	menuBack
	speakLanguage
	sayTransfer
	connect
	connected
	sayNotConnected
	count
	miscount
	report
	endCheck
	leaveExtension
	goBack
	cancel
	restart
	findMailbox
	verify
	openChange
	sayMenu
	sayInvalid
	sayGoodbye
	checkNew
	compare
	chooseCode
	ownChoice
	beginOwn
	spellCode
	spellAgain
	sayNoChoice
	note
	verifyFound
	sendCode
	beginCode
	becomeAny
	explainClosed
	storeDown
	bePatient
	openMenu
	mustChange
	sayWrong
	announce
	explainRefusal
	explainFailure
	sayDoubt
	timeUp
	sayTimeUp
	hurry
	goOn
	stop
	sayBye
	gone
	goneLate
	goneOn
	numActions
)

// perform returns the state that follows.
func (m *machine) perform(do action, e *Event) StateID {
	switch do {
	case greet:
		return m.greet()
	case keep:
		return m.keep(e)
	case loseAhead:
		return m.loseAhead()
	case startTimer:
		return m.startTimer()
	case spoil:
		return m.spoil()
	case listen:
		return m.listen()
	case askAfresh:
		return m.enter(m.at)
	case sayCleared:
		return m.cleared()
	case askAgain:
		return m.again(prompt.NoInput)
	case askWhole:
		return m.again(prompt.RefusedTooShort)
	case leaveExtension:
		return m.leaveExtension()
	case goBack:
		return m.goBack()
	case cancel:
		return m.cancel()
	case restart:
		return m.restart()
	case findMailbox:
		return m.findMailbox()
	case verify:
		return m.verify()
	case openChange:
		return m.openChange()
	case sayMenu:
		return m.sayMenu()
	case openMenu:
		return m.openMenu()
	case sayInvalid:
		return m.again(prompt.InvalidKey)
	case sayGoodbye:
		return m.leave(EndGoodbye, prompt.Goodbye)
	case checkNew:
		return m.checkNew()
	case compare:
		return m.compare()
	}
	return m.choosing(do, e)
}

// choosing performs what keys of menus choose, the line check, and the code of our choice.
func (m *machine) choosing(do action, e *Event) StateID {
	switch do {
	case signInNow:
		return m.signInFromMenu()
	case goToMenu:
		return m.goTo(m.choice().menu)
	case menuBack:
		return m.menuBack()
	case speakLanguage:
		return m.speakLanguage()
	case sayTransfer:
		return m.sayTransfer()
	case connect:
		return m.connect()
	case connected:
		return m.hangUp(EndTransferred)
	case sayNotConnected:
		return m.notConnected()
	case count:
		return m.count()
	case miscount:
		return m.miscount()
	case report:
		return m.report()
	case endCheck:
		return m.endCheck()
	case chooseCode:
		return m.chooseCode()
	case ownChoice:
		return m.ownChoice()
	case beginOwn:
		return m.beginOwn()
	case spellCode:
		return m.spellCode(e.Choice)
	case spellAgain:
		return m.spellAgain()
	case sayNoChoice:
		return m.noChoice()
	}
	return m.conclude(do, e)
}

// conclude performs what follows from the store's answers and from the end.
func (m *machine) conclude(do action, e *Event) StateID {
	switch do {
	case verifyFound:
		return m.verifyFound()
	case sendCode:
		return m.sendCode()
	case beginCode:
		return m.beginCode()
	case becomeAny:
		return m.becomeAny()
	case explainClosed:
		return m.closed(e)
	case storeDown:
		return m.storeDown(e)
	case bePatient:
		return m.patience()
	case mustChange:
		return m.mustChange()
	case sayWrong:
		return m.wrongCode()
	case announce:
		return m.announce()
	case explainRefusal:
		return m.explain(e.Result.Reason)
	case explainFailure:
		return m.failed(e)
	case sayDoubt:
		return m.doubt()
	case timeUp:
		return m.timeUp()
	case sayTimeUp:
		return m.late()
	case hurry:
		return m.hurry()
	case goOn:
		return m.goOn()
	case stop:
		return m.hangUp(EndTimeLimit)
	case sayBye:
		return m.hangUp(m.end)
	case gone:
		return m.hangUp(EndHungUp)
	case goneLate:
		return m.hangUp(EndHungUpLate)
	case goneOn:
		return m.goneOn()
	}
	return m.at
}
